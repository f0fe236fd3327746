"""Writes events as Parquet. The only module that imports pyarrow."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from edge.archive.store import EVENT_COLUMNS
from edge.errors import ArchiveError
from edge.system.installation import how_to_install

_ROWS_PER_GROUP: Final = 20_000
"""Rows that are in memory at once, some 20 MB of them: readers skip whole groups, and smaller ones compress worse."""


def write_parquet(path: Path, blocks: Iterable[list[tuple[Any, ...]]]) -> None:
    """Write blocks of rows of `EVENT_COLUMNS` to `path`. Raises ArchiveError where the package is missing, OSError."""
    try:
        import pyarrow as pa  # noqa: PLC0415 - an extra
        from pyarrow import parquet as pq  # noqa: PLC0415 - as above
    except ImportError as error:
        raise ArchiveError(
            f"--export {path.suffix} needs the package pyarrow ({error}): {how_to_install('parquet')}, or export .csv"
        ) from error
    time = pa.timestamp("us", tz="UTC")
    kinds = {
        "seq": pa.int64(),
        "time": time,
        "received": time,
        "track": pa.int64(),
        "zones": pa.list_(pa.string()),
        "confidence": pa.float64(),
        "valence": pa.float64(),
        "latency_ms": pa.float64(),
        "replayed": pa.bool_(),
        "clock_synchronised": pa.bool_(),
    }
    schema = pa.schema([(name, kinds.get(name, pa.string())) for name in EVENT_COLUMNS])

    def table(rows: list[tuple[Any, ...]]) -> Any:  # noqa: ANN401 - pyarrow has no types
        columns = zip(*rows, strict=True) if rows else [()] * len(EVENT_COLUMNS)
        arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
        return pa.Table.from_arrays(arrays, schema=schema)

    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        rows: list[tuple[Any, ...]] = []
        for block in blocks:
            rows += block
            if len(rows) >= _ROWS_PER_GROUP:
                writer.write_table(table(rows))
                rows = []
        if rows:
            writer.write_table(table(rows))
