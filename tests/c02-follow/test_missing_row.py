"""A row that should be there downstream and is not: the task stops, and names it; nothing of its transaction is applied (T7)."""
from tidegate import FAILED


def test_the_row_is_named(make_pair, job):
    """Among many changes that are folded and written many a statement, the one that does not fit is found."""
    pair = make_pair("ma1011", "my97")
    pair.source.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY, v int)", "INSERT INTO app.t SELECT seq, 0 FROM mysql.seq_1_to_500")
    j = job(pair, tables="app.*")
    j.run()
    pair.target.run("DELETE FROM app.t WHERE id = 377")
    pair.source.run("UPDATE app.t SET v = 1")
    j.run(expect=FAILED)
    assert "60502" in j.stderr() and "377" in j.stderr(), j.story()
    assert pair.target.query("SELECT COUNT(*), SUM(v) FROM app.t") == ((499, 0),)
    pair.target.run("INSERT INTO app.t VALUES (377, 0)")
    j.run()
    pair.assert_equal("app", j.story)
