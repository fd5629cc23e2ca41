//! The managed throw-away Postgres: find the programs, start, supervise, stop.
