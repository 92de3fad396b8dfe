"""sqlite3: tables, indices, joins, blobs, a vacuum and its own integrity check print what they print without the preload."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from preload import check, need, run, run_plain, scratch

SCRIPT = """
PRAGMA journal_mode=WAL;
CREATE TABLE item(id INTEGER PRIMARY KEY, name TEXT, weight REAL, data BLOB);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)
  INSERT INTO item SELECT i, printf('name%08d', i * 7919 % 60013), i % 997 / 10.0, zeroblob(i % 300) FROM n;
CREATE INDEX by_name ON item(name);
CREATE INDEX by_weight ON item(weight, name);
SELECT count(*), sum(length(data)), max(name) FROM item;
SELECT a.name, b.name FROM item a JOIN item b ON a.weight = b.weight AND a.id < b.id ORDER BY a.name, b.name LIMIT 5;
DELETE FROM item WHERE id % 3 = 0;
UPDATE item SET data = zeroblob(100000) WHERE id % 2000 = 1;
SELECT group_concat(name) FROM (SELECT name FROM item WHERE id < 2000);
VACUUM;
ANALYZE;
PRAGMA integrity_check;
SELECT count(*), sum(length(data)) FROM item;
"""


def main():
    sqlite = need("sqlite3", "sqlite3")
    with scratch() as directory:
        want = run_plain([sqlite, directory / "plain.db", SCRIPT])
        got = run([sqlite, directory / "ours.db", SCRIPT])
        check(want.splitlines()[-2:][0] == "ok", "sqlite3 does not work without the preload")
        check(got == want, "sqlite3 prints something else")
        check(run([sqlite, directory / "ours.db", "PRAGMA integrity_check"]).strip() == "ok", "integrity_check")


main()
