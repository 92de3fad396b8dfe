"""Where the project's C is."""
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FLOOR_FOLDERS = ["src/base", "arenas", "src/heap", "src/front", "gc/objects", "gc/cycles", "gc/containers"]


def build_dir():
    return Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "dev"


def library_files(*suffixes):
    """The library's files, floor by floor, as (folder, path)."""
    return [(folder, path) for folder in FLOOR_FOLDERS for path in sorted((ROOT / folder).iterdir())
            if path.suffix in suffixes]
