"""The checker of a source's file: how long a unit that failed waits before it is started again, and whether it is."""
import time

import procs
import pytest
from dm_files import task
from servers import PASSWORD, USER
from tidegate import INTERRUPTED

SOURCE = "source-id: one\nfrom: {{host: 127.0.0.1, port: {port}, user: {user}, password: '{password}'}}\n{checker}\n"


@pytest.fixture
def files(fleet, job):
    """Servers of our own: one of them is stopped."""
    source, target = fleet("ma1011", "a", "b")
    source.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY)", "INSERT INTO app.t VALUES (1)")
    j = job(source_url=None, target_url=None)

    def start(checker):
        files = [j.folder / "task.yaml", j.folder / "source.yaml"]
        files[0].write_text(task(target.port))
        files[1].write_text(SOURCE.format(port=source.port, user=USER, password=PASSWORD, checker=checker))
        j.start("--stay", *files, until=None)
        j.wait_log("following from")
        return source, target, j

    return start


def test_pauses(files):
    source, target, j = files("checker: {backoff-min: 200ms, backoff-max: 1s, backoff-factor: 1.5}")
    target.stop()
    source.run("INSERT INTO app.t VALUES (2)")
    procs.wait_for(lambda: j.log().count("obituary sync") >= 6, 60, j.story())  # a minute has 6 with the pauses of every day
    target.start()
    began = time.monotonic()
    procs.wait_for(lambda: target.query("SELECT COUNT(*) FROM app.t") == ((2,),), 60, f"it does not go on\n{j.story()}")
    print(f"on {time.monotonic() - began:.1f} s after the server is back")
    assert j.interrupt() == INTERRUPTED, j.story()


def test_never(files):
    source, target, j = files("checker: {check-enable: false}")
    # A crash is no error that somebody could look into: it is started again as ever.
    sync = j.wait_unit("sync")
    sync.kill()
    j.wait_unit("sync", other_than=[sync])
    target.stop()
    source.run("INSERT INTO app.t VALUES (2)")
    procs.wait_for(lambda: j.subtask("moved")["stage"] == "Paused", 60, f"not paused\n{j.story()}", 0.3)
    error = j.subtask("moved")["result"]["errors"][0]
    assert error["ErrClass"] in ("database", "task-check") and not j.subtask("moved")["result"]["isCanceled"], error
    target.start()
    time.sleep(3)
    assert j.subtask("moved")["stage"] == "Paused"
    j.ask("resume-task", "moved")
    procs.wait_for(lambda: target.query("SELECT COUNT(*) FROM app.t") == ((2,),), 60, f"it does not go on\n{j.story()}")
    assert j.interrupt() == INTERRUPTED, j.story()
