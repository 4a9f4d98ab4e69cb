"""What ``oris-temporal demo`` runs; `oris_temporal.demo.report` is the place to start reading."""
