#!/bin/sh
# Creates the namespace and registers the search attributes of Oris; safe to run again.
set -eu

retry() {
    attempt=1
    until "$@"; do
        [ "$attempt" -lt 30 ] || return 1
        attempt=$((attempt + 1))
        sleep 1
    done
}

retry temporal operator cluster health

temporal operator namespace describe --namespace "$ORIS_NAMESPACE" >/dev/null 2>&1 ||
    temporal operator namespace create --namespace "$ORIS_NAMESPACE" --retention "$ORIS_RETENTION"

# The frontend learns of a new namespace a moment later. The names and types are those of SEARCH_ATTRIBUTES in
# oris_temporal/workflows/search_attributes.py; a test compares them.
retry temporal operator search-attribute create --namespace "$ORIS_NAMESPACE" \
    --name OrisGraph --type Keyword \
    --name OrisStatus --type Keyword \
    --name OrisTenant --type Keyword \
    --name OrisInterrupts --type KeywordList \
    --name OrisUpdatedAt --type Datetime \
    --name OrisParent --type Keyword
