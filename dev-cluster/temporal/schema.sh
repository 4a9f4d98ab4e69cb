#!/bin/sh
# Creates Temporal's two databases and brings their schemas up to date; safe to run again.
set -eu

migrate() {
    database=$1
    directory=/etc/temporal/schema/postgresql/v12/$2/versioned
    set -- --plugin postgres12 --ep "$SQL_HOST" -p "$SQL_PORT" -u "$SQL_USER" --db "$database"
    temporal-sql-tool "$@" create
    temporal-sql-tool "$@" setup-schema -v 0.0
    temporal-sql-tool "$@" update-schema -d "$directory"
}

migrate temporal temporal
migrate temporal_visibility visibility
