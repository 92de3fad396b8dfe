"""mariadbd creates, fills and queries tables, and names the library where it looks for its malloc."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from preload import LIB, check, need, run, run_plain, scratch

SCRIPT = """
CREATE DATABASE test;
USE test;
CREATE TABLE item(id INT PRIMARY KEY, name VARCHAR(40), weight INT, KEY by_name(name), KEY by_weight(weight)) ENGINE=Aria;
INSERT INTO item SELECT seq, CONCAT('name', seq * 7919 % 60013), seq % 997 FROM seq_1_to_20000;
DELETE FROM item WHERE id % 3 = 0;
SELECT weight, COUNT(*), MAX(name) FROM item GROUP BY weight ORDER BY weight INTO OUTFILE '{directory}/groups';
SELECT a.name, b.name FROM item a JOIN item b ON a.weight = b.weight AND a.id < b.id ORDER BY 1, 2 LIMIT 500
    INTO OUTFILE '{directory}/pairs';
SELECT @@version_malloc_library INTO OUTFILE '{directory}/malloc';
"""


def query(start, mariadbd, directory):
    """What the script leaves in its files; --bootstrap takes one statement a line."""
    (directory / "data").mkdir(parents=True)
    script = directory / "script.sql"
    script.write_text(SCRIPT.format(directory=directory).replace("\n    ", " "))
    with script.open() as statements:
        start([mariadbd, "--no-defaults", "--bootstrap", "--user=root", "--skip-grant-tables", "--skip-innodb",
               "--default-storage-engine=Aria", f"--datadir={directory}/data", f"--tmpdir={directory}"], stdin=statements)
    return [(directory / name).read_text() for name in ("groups", "pairs", "malloc")]


def main():
    mariadbd = need("mariadbd", "mariadb-server-core")
    with scratch() as directory:
        *want, _ = query(run_plain, mariadbd, directory / "plain")
        *got, malloc = query(run, mariadbd, directory / "ours")
        check(len(want[0].splitlines()) == 997 and len(want[1].splitlines()) == 500, "mariadbd does not work without the preload")
        check(got == want, "mariadbd answers something else")
        check(not LIB or "Arca" in malloc, f"mariadbd names its malloc {malloc.strip()!r}")


main()
