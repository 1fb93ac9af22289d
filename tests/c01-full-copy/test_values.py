"""Values on their way into tables that somebody has made by hand downstream: as they are, or not at all."""
import pytest
from tidegate import FAILED

BOTH = pytest.mark.parametrize("source, target", [("ma1011", "my97"), ("my97", "ma1011")])


@BOTH
def test_invalid_enum_beside_a_value_too_long(source, target, make_pair, job):
    """A row with ENUM's invalid value goes by INSERT IGNORE: what else does not fit must be refused all the same, not cut."""
    pair = make_pair(source, target)
    columns = "id int PRIMARY KEY, e enum('a','b'), g enum('','a') NOT NULL, h enum('a'), v varchar(%s) CHARACTER SET utf8mb4, n %s, t %s"
    pair.source.run("CREATE DATABASE app", "CREATE TABLE app.t (" + columns % (9, "int", "time(3)") + ")", "SET sql_mode=''",
                    "INSERT INTO app.t VALUES (1, 'x', 'x', 'x', 'abcd', 1, '10:00:00'), (2, 'a', '', 'x', 'it''s), (0', 1, '10:00:00'), (3, 'x', 'a', 'x', 'q', 1000, '10:00:00.5'), (4, '', 'a', 'a', 'q', 1, '10:00:00')")
    pair.target.run("CREATE DATABASE app", "CREATE TABLE app.t (" + columns.replace("h enum('a')", "h enum('b')") % (3, "tinyint", "time(3)") + ")")
    j = job(pair, tables="app.*")
    for name, mend in (("v", "MODIFY v varchar(9) CHARACTER SET utf8mb4"), ("n", "MODIFY n int"), ("h", "MODIFY h enum('a')")):
        said = j.run(until="full", expect=FAILED)
        assert "a row with an ENUM's error value has another value that the downstream does not take as it is" in said and f"column '{name}'" in said, said
        assert not pair.target.query("SELECT * FROM app.t")
        pair.target.run("ALTER TABLE app.t " + mend)
    j.run(until="full")
    pair.assert_equal("app", j.story)
