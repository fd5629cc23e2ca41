"""peer_arrow.py adbc|cx|polars|psycopg SRC_URI DST_URI TABLE
Copies TABLE through Arrow (into lab_arrow.TABLE) or, psycopg, as raw COPY binary
blocks into public.TABLE."""

import sys

kind, src, dst, table = sys.argv[1:5]
if kind == "psycopg":
    import psycopg

    with psycopg.connect(src) as a, psycopg.connect(dst) as b:
        with (
            a.cursor().copy(f"copy {table} to stdout (format binary)") as o,
            b.cursor().copy(f"copy {table} from stdin (format binary)") as i,
        ):
            for block in o:
                i.write(block)
elif kind == "adbc":
    import adbc_driver_postgresql.dbapi as pg

    with pg.connect(src) as a, pg.connect(dst) as b:
        ca, cb = a.cursor(), b.cursor()
        ca.adbc_statement.set_options(**{"adbc.postgresql.batch_size_hint_bytes": str(16 << 20)})
        ca.execute(f"select * from {table}")
        cb.adbc_ingest(table, ca.fetch_record_batch(), mode="create", db_schema_name="lab_arrow")
        b.commit()
elif kind == "cx":
    import adbc_driver_postgresql.dbapi as pg
    import connectorx as cx

    t = cx.read_sql(
        src,
        f"select * from {table}",
        return_type="arrow",
        protocol="binary",
        partition_on="id",
        partition_num=2,
    )
    with pg.connect(dst) as b:
        b.cursor().adbc_ingest(table, t, mode="create", db_schema_name="lab_arrow")
        b.commit()
elif kind == "polars":
    import polars as pl

    df = pl.read_database_uri(f"select * from {table}", src, partition_on="id", partition_num=2, engine="connectorx")
    df.write_database(f"lab_arrow.{table}", dst, engine="adbc", if_table_exists="replace")
