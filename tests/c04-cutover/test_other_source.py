"""Another server takes the source's place at the last moment: that its files are short is no proof that all of it is applied."""
import threading

import failover
import procs
import pytest
from cutover import cutover, one, read_only
from tidegate import FAILED


@pytest.mark.parametrize("name", ["my97", pytest.param("ma1011", marks=pytest.mark.long)])
def test_switched_behind_the_drain(name, fleet, forward, server, job):
    a, b = fleet(name, "a", "b")
    target = server("ma118" if name == "my97" else "my97", "down")
    failover.follow(b, a)
    a.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY, v int)", "INSERT INTO app.t VALUES (1, 1), (2, 2)")
    for _ in range(6):
        a.run("FLUSH BINARY LOGS")
    door = forward(a)
    j = job(source_url=door.url(), target_url=target.url(), tables="app.*")
    j.start("--stay", until=None)
    j.wait_status(lambda x: x.get("phase") == "sync")
    a.run("UPDATE app.t SET v = 5 WHERE id = 1")
    failover.wait_replica(b, a)
    failover.promote(b)
    read_only(a)
    j.failpoints.arm("unit_before_hello", "sleep", at=2, arg=25000)  # the second of the cutover: everything is drained, nothing is looked at yet
    answer = {}
    asking = threading.Thread(target=lambda: answer.update(cutover(j, expect=FAILED)))
    asking.start()
    procs.wait_for(lambda: j.failpoints.fired("unit_before_hello") or not asking.is_alive(), 60, j.story)
    b.run("UPDATE app.t SET v = 6 WHERE id = 2")
    read_only(b)
    assert b.query("SHOW BINARY LOGS")[-1][0] < a.query("SHOW BINARY LOGS")[-1][0]
    door.to(b)
    j.failpoints.disarm("unit_before_hello")
    asking.join(180)
    assert "the downstream lacks" in one(answer, "fail", "of the source, which stands at"), answer
