"""peer_dlt.py SRC_URI DST_URI BACKEND TABLE FORMAT STATE_DIR
One full refresh of TABLE with dlt's sql_database source into schema bench_dlt.
FORMAT: auto (dlt's choice) | csv | parquet | insert_values."""

import os
import sys

os.environ.setdefault("RUNTIME__DLTHUB_TELEMETRY", "false")
os.environ.setdefault("DATA_WRITER__BUFFER_MAX_ITEMS", "100000")
os.environ.setdefault("EXTRACT__WORKERS", "2")
os.environ.setdefault("NORMALIZE__WORKERS", "1")
os.environ.setdefault("LOAD__WORKERS", "2")
os.environ.setdefault("SOURCES__DATA_WRITER__FILE_MAX_BYTES", str(64 << 20))
os.environ.setdefault("NORMALIZE__DATA_WRITER__DISABLE_COMPRESSION", "true")
import dlt
import sqlalchemy as sa
from dlt.sources.sql_database import sql_database
from sqlalchemy.dialects import postgresql as pgt

src, dst, backend, table, fmt, state = sys.argv[1:7]
kw = {}
if backend == "connectorx":
    kw["backend_kwargs"] = {"return_type": "arrow"}
# Arrow paths of dlt refuse inet, arrays and bytea (one or the other, by backend and
# file format), so those columns travel as text, cast in the query.
ODD = (pgt.INET, sa.ARRAY, pgt.ARRAY, pgt.BYTEA, sa.LargeBinary) + (
    (pgt.UUID, sa.UUID) if "uuid" in os.environ.get("DLT_AS_TEXT", "") else ()
)
odd = set()


def table_adapter(t):
    for col in t.columns:
        if isinstance(col.type, ODD):
            odd.add(col.name)
            col.type = sa.Text()
    return t


def query_adapter(query, t, *_):
    if not odd:
        return query
    return sa.select(*[sa.cast(x, sa.Text).label(x.name) if x.name in odd else x for x in t.columns])


kw.update(table_adapter_callback=table_adapter, query_adapter_callback=query_adapter)
source = sql_database(
    credentials=src,
    table_names=[table],
    backend=backend,
    chunk_size=50000 if "small" in table else 5000,
    **kw,
)
pipe = dlt.pipeline(
    pipeline_name="bench_lab",
    pipelines_dir=state,
    destination=dlt.destinations.postgres(dst),
    dataset_name="bench_dlt",
)
info = pipe.run(source, write_disposition="replace", **({} if fmt == "auto" else {"loader_file_format": fmt}))
info.raise_on_failed_jobs()
