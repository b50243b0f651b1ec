"""A program that is told to end does so, also when its event loop is stuck."""

import signal
import subprocess
import sys
import threading

import anyio
import pytest

from allowly_harness.signals import ended_by_signals

STUCK = """
import asyncio, time
from allowly_harness.signals import ended_by_signals

async def main():
    with ended_by_signals(lambda code: None, deadline_seconds=0.05):
        print("READY", flush=True)
        {stuck}

asyncio.run(main())
"""

STUCK_COMMAND = """
import time
from allowly_harness.cli import running

running.CLEAN_UP_SECONDS = 0.05

async def command():
    print("READY", flush=True)
    while True:
        time.sleep(0.01)

running.run(command)
"""


def exit_code_after(number: int, program: str) -> int:
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "READY\n"
            process.send_signal(number)
            return process.wait(20)
        finally:
            process.kill()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
@pytest.mark.parametrize(
    "stuck",
    [
        pytest.param("while True: pass", id="busy"),
        pytest.param("time.sleep(1000)", id="asleep"),
        pytest.param("import os; r, w = os.pipe()\n        while True: os.write(w, bytes(1 << 20))", id="writing"),
        pytest.param("import threading; threading.Event().wait()", id="waiting"),
    ],
)
def test_a_stuck_loop_is_ended_at_the_deadline(number, code, stuck):
    assert exit_code_after(number, STUCK.format(stuck=stuck)) == code


def test_a_command_whose_loop_is_stuck_is_ended_at_the_deadline():
    assert exit_code_after(signal.SIGTERM, STUCK_COMMAND) == 143


def test_a_deadline_outlives_the_block_in_which_the_signal_came():
    program = STUCK.format(stuck="import os; os.kill(os.getpid(), 15)") + "\nprint('READY'); time.sleep(1000)"

    ended = subprocess.run([sys.executable, "-c", program], stdout=subprocess.DEVNULL, timeout=20, check=False)

    assert ended.returncode == 143


@pytest.mark.anyio
async def test_the_handlers_before_are_put_back_and_no_thread_stays():
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)]
    threads = set(threading.enumerate())

    with ended_by_signals(print, deadline_seconds=60):
        started = set(threading.enumerate()) - threads

    for thread in started:
        thread.join(5)
        assert not thread.is_alive()
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)] == before


@pytest.mark.anyio
async def test_outside_of_the_main_thread_nothing_is_handled():
    before = signal.getsignal(signal.SIGTERM)

    def other() -> None:
        async def enter() -> None:
            with ended_by_signals(print, deadline_seconds=60):
                assert signal.getsignal(signal.SIGTERM) is before

        anyio.run(enter)

    with anyio.fail_after(20):
        await anyio.to_thread.run_sync(other)


def test_an_orderly_end_comes_before_the_deadline():
    program = """
import anyio
from allowly_harness.cli.running import run

async def command():
    print("READY", flush=True)
    await anyio.sleep_forever()

raise SystemExit(run(command))
"""

    assert exit_code_after(signal.SIGTERM, program) == 143
