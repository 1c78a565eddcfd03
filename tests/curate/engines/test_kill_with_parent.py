import os
import subprocess
import sys
import time

SCRIPT = """
import os, signal, subprocess, sys
from curate.engines.kill_with_parent import kill_with_parent
child = subprocess.Popen(["sleep", "120"], stdout=subprocess.DEVNULL, start_new_session=True)
release = kill_with_parent([child.pid])
print(child.pid, flush=True)
if sys.argv[1] == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
release()
"""


def lives(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def run(how):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, how], stdout=subprocess.PIPE, text=True, check=False, timeout=60
    )
    return int(done.stdout)


def test_a_killed_owner_takes_its_processes_with_it():
    pid = run("killed")
    deadline = time.monotonic() + 20
    while lives(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not lives(pid)


def test_a_released_watcher_kills_nothing():
    pid = run("released")
    time.sleep(0.3)
    assert lives(pid)
    os.kill(pid, 9)
