//! What any client of Postgres needs: connecting, catalogs, moving COPY bytes, SQLSTATEs.
