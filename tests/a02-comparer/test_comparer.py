"""The comparer must be able to fail: one difference of every kind is planted and has to be found, and only that one."""
import pytest

import compare
import zoo
from conftest import Pair

BASE = """CREATE TABLE planted (id int NOT NULL AUTO_INCREMENT, n bigint, d decimal(30,10), f float, g double, s varchar(50), l varchar(20) CHARACTER SET latin1,
 b varbinary(50), t datetime(6), m time(6), ts timestamp(6) NULL, e enum('a','b','c'), st set('x','y'), bt bit(20), j json, p point, big longblob,
 v int AS (n + 1) STORED, PRIMARY KEY (id), UNIQUE KEY u (n), KEY k (s(10)))"""
ROW = ("INSERT INTO planted (id, n, d, f, g, s, l, b, t, m, ts, e, st, bt, j, p, big) VALUES ({id}, {id}, '1.5', 0.1, 0.1, 'text', 'x', X'00ff', '2024-01-01 00:00:00.000001', '-00:00:00.5',"
       " '2024-01-01', 'a', 'x,y', 5, '{{\"a\": [1, 2.5]}}', POINT(1, 2), REPEAT('x', 100000))")
KEYLESS = ["CREATE TABLE heap (n int, s varchar(20))", "INSERT INTO heap VALUES (1,'a'),(1,'a'),(1,'b'),(NULL,NULL)"]
TEXT_KEY = ["CREATE TABLE words (w varchar(20) NOT NULL PRIMARY KEY, n int)", "INSERT INTO words VALUES ('a',1),('B',2),('é',3)"]

# name: (statement on the target only, what must be said)
DIFFERENCES = {
    "row missing": ("DELETE FROM planted WHERE id = 3", "1 missing, 0 surplus, 0 different"),
    "first row missing": ("DELETE FROM planted WHERE id = 1", "1 missing, 0 surplus, 0 different"),
    "last row missing": ("DELETE FROM planted WHERE id = 5", "1 missing, 0 surplus, 0 different"),
    "row surplus": (ROW.format(id=9), "0 missing, 1 surplus, 0 different"),
    "all rows missing": ("DELETE FROM planted", "5 missing"),
    "integer": ("UPDATE planted SET n = 100 WHERE id = 3", "row id=3: n: 3 and 100"),
    "null": ("UPDATE planted SET s = NULL WHERE id = 3", "row id=3: s: 74657874 and NULL"),
    "empty for null": ("UPDATE planted SET s = '' WHERE id = 3", "row id=3: s: 74657874 and "),
    "decimal digit": ("UPDATE planted SET d = 1.5000000001 WHERE id = 3", "d: 1.5000000000 and 1.5000000001"),
    "float bit": ("UPDATE planted SET f = 0.10000001 WHERE id = 3", "f: 3fb99999a0000000 and 3fb99999c0000000"),
    "double bit": ("UPDATE planted SET g = 0.10000000000000002 WHERE id = 3", "g: 3fb999999999999a and 3fb999999999999b"),
    "letter case": ("UPDATE planted SET s = 'Text' WHERE id = 3", "s: 74657874 and 54657874"),
    "trailing space": ("UPDATE planted SET s = 'text ' WHERE id = 3", "s: 74657874 and 7465787420"),
    "latin1": ("UPDATE planted SET l = 'ä' WHERE id = 3", "l: 78 and E4"),
    "binary": ("UPDATE planted SET b = X'00ff00' WHERE id = 3", "b: 00FF and 00FF00"),
    "microsecond": ("UPDATE planted SET t = '2024-01-01 00:00:00.000002' WHERE id = 3", "t: 2024-01-01 00:00:00.000001 and"),
    "sign of a time": ("UPDATE planted SET m = '00:00:00.5' WHERE id = 3", "m: -00:00:00.500000 and 00:00:00.500000"),
    "timestamp": ("UPDATE planted SET ts = '2024-01-01 01:00:00' WHERE id = 3", "row id=3: ts:"),
    "enum": ("UPDATE planted SET e = 'b' WHERE id = 3", "e: 1:61 and 2:62"),
    "set": ("UPDATE planted SET st = 'y' WHERE id = 3", "row id=3: st:"),
    "bit": ("UPDATE planted SET bt = 4 WHERE id = 3", "bt: 5 and 4"),
    "json value": ("UPDATE planted SET j = '{\"a\": [1, 2.25]}' WHERE id = 3", "row id=3: j:"),
    "json int for float": ("UPDATE planted SET j = '{\"a\": [1.0, 2.5]}' WHERE id = 3", "row id=3: j:"),
    "geometry": ("UPDATE planted SET p = POINT(1, 3) WHERE id = 3", "row id=3: p:"),
    "one byte of a blob": ("UPDATE planted SET big = CONCAT(REPEAT('x', 99998), 'yx') WHERE id = 3", "big: from character"),
    "keyless: one of two equal rows": ("DELETE FROM heap WHERE s = 'a' LIMIT 1", "1 missing, 0 surplus"),
    "keyless: doubled row": ("INSERT INTO heap VALUES (1,'b')", "0 missing, 1 surplus"),
    "keyless: null for 0": ("UPDATE heap SET n = 0 WHERE n IS NULL", "1 missing, 1 surplus"),
    "keyless: null for empty": ("UPDATE heap SET s = '' WHERE s IS NULL", "1 missing, 1 surplus"),
    "text key: value": ("UPDATE words SET n = 5 WHERE w = 'B'", "row w=42: n: 2 and 5"),
    "text key: case of the key": ("UPDATE words SET w = 'b' WHERE w = 'B'", "1 missing, 1 surplus"),
    "table missing": ("DROP TABLE heap", "heap: table and nothing"),
    "table surplus": ("CREATE TABLE more (id int PRIMARY KEY)", "more: nothing and table"),
    "table for view": (["DROP VIEW look", "CREATE TABLE look (id int)"], "look: view and table"),
    "rows through a view": (["DROP VIEW look", "CREATE VIEW look AS SELECT id FROM planted WHERE id > 2"], "look: rows: 1 missing"),
    "column missing": ("ALTER TABLE planted DROP COLUMN e", "columns are"),
    "column order": ("ALTER TABLE planted MODIFY s varchar(50) FIRST", "columns are"),
    "column name": ("ALTER TABLE heap CHANGE s S2 varchar(20)", "columns are"),
    "nullability": ("ALTER TABLE planted MODIFY e enum('a','b','c') NOT NULL", "column e: e NULL and e NOT NULL"),
    "length": ("ALTER TABLE planted MODIFY l varchar(21) CHARACTER SET latin1", "type varchar(20) and varchar(21)"),
    "sign": ("ALTER TABLE heap MODIFY n int unsigned", "type int and int unsigned"),
    "enum member": ("ALTER TABLE planted MODIFY e enum('a','b','C')", "column e: type"),
    "charset": ("ALTER TABLE planted MODIFY l varchar(20) CHARACTER SET gbk", "column l: charset latin1 and gbk"),
    "auto increment": ("ALTER TABLE planted MODIFY id int NOT NULL", "column id: id NOT NULL AUTO_INCREMENT and id NOT NULL"),
    "generated": (["ALTER TABLE planted DROP COLUMN v", "ALTER TABLE planted ADD v int"], "GENERATED stored"),
    "key missing": ("ALTER TABLE planted DROP KEY k", "key k:"),
    "key prefix": ("ALTER TABLE planted DROP KEY k, ADD KEY k (s(9))", "key k:"),
    "key not unique": ("ALTER TABLE planted DROP KEY u, ADD KEY u (n)", "key u:"),
    "primary key": ("ALTER TABLE words DROP PRIMARY KEY, ADD PRIMARY KEY (w, n)", "key PRIMARY:"),
    "foreign key": ("ALTER TABLE child DROP FOREIGN KEY fk", "foreign keys:"),
    "foreign key's rule": ("ALTER TABLE child DROP FOREIGN KEY fk, ADD CONSTRAINT fk2 FOREIGN KEY (p) REFERENCES planted (id) ON DELETE CASCADE", "foreign keys:"),
}


def fill(s):
    s.run("CREATE DATABASE d CHARACTER SET utf8mb4")
    s.run(BASE, *[ROW.format(id=i) for i in range(1, 6)], *KEYLESS, *TEXT_KEY,
          "CREATE TABLE child (id int PRIMARY KEY, p int, CONSTRAINT fk FOREIGN KEY (p) REFERENCES planted (id))",
          "CREATE VIEW look AS SELECT id FROM planted WHERE id > 1", db="d")


@pytest.fixture(scope="module")
def two(pool):
    """Two servers with the same tables; only the second one's are made anew for each test."""
    if "ma1011" in pool.without:
        pytest.skip("--without ma1011")
    pair = Pair(pool.get("ma1011", "up"), pool.get("ma1011", "down"))
    pair.source.clean()
    fill(pair.source)
    return pair


@pytest.mark.parametrize("what", list(DIFFERENCES))
def test_one_difference_is_found(what, two):
    pair = two
    pair.target.clean()
    fill(pair.target)
    if what == "row missing":  # once is enough: it can also succeed
        pair.assert_equal("d")
    statement, said = DIFFERENCES[what]
    pair.target.run("SET foreign_key_checks=0", *([statement] if isinstance(statement, str) else statement), db="d")
    result = pair.compare("d")
    assert not result, "the difference was not seen"
    assert any(said in line for line in result.differences), str(result)


@pytest.mark.parametrize("names", [("ma1011", "my97"), ("my97", "ma1011")], ids="-".join)
def test_other_family(names, make_pair):
    """The same rows, loaded by hand into both families, are equal; a JSON value that differs is seen through the different types."""
    pair = make_pair(*names)
    fill(pair.source)
    fill(pair.target)
    pair.assert_equal("d")
    pair.target.run("UPDATE planted SET j = '{\"a\": [1, 2.50001]}' WHERE id = 2", db="d")
    result = pair.compare("d")
    assert len(result.differences) == 2 and "row id=2: j:" in result.differences[1], str(result)


@pytest.mark.parametrize("name", ["ma1011", "my97"])
def test_zoo_equals_itself(name, make_pair):
    pair = make_pair(name, name)
    for s in (pair.source, pair.target):
        zoo.make(s, zoo.zoo(s))
    s = pair.source
    stamp = s.query("SELECT ts FROM zoo.dates WHERE id = 6")[0][0]  # NOW(6) of the time of making
    for t in (pair.source, pair.target):
        t.run(("UPDATE dates SET ts = %s WHERE id >= 6", (stamp,)), "UPDATE defaults SET t = '2020-01-01', u = '2020-01-01'", db="zoo")
    result = pair.assert_equal(zoo.schemas())
    assert result.rows > 400
    pair.target.run("UPDATE floats SET d = 0 WHERE id = 4", db="zoo")  # the smallest of all becomes zero
    assert "d: 0000000000000001 and 0000000000000000" in str(pair.compare(zoo.schemas()))
    if name == "my97":
        pair.target.run("UPDATE floats SET d = d + 4.9406564584124654e-324 WHERE id = 4", "UPDATE floats SET f = 0 WHERE id = 7", db="zoo")
        assert "f: 8000000000000000 and 0000000000000000" in str(pair.compare(zoo.schemas()))


def test_shortening_shows_where():
    assert "from character 92" in compare.around("x" * 100 + "a", "x" * 100 + "b")
