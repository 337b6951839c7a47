"""`tf.logging`: levels, format, and where messages go."""

import subprocess
import sys

PROGRAM = """
import evergraph as tf
log = tf.logging
log.info("hidden")
log.warn("shown %d", 1)
log.set_verbosity(log.INFO)
print(log.get_verbosity() == log.INFO, log.DEBUG < log.INFO < log.WARN < log.ERROR < log.FATAL)
log.info("now %s", "too")
for i in range(5):
    log.log_every_n(log.ERROR, "every %d", 2, i)
    log.log_first_n(log.ERROR, "first %d", 1, i)
log.log_if(log.ERROR, "never", False)
log.fatal("goes on")
log.vlog(log.DEBUG, "hidden")
"""


def run(program):
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)


def test_levels_and_format():
    done = run(PROGRAM)
    assert done.stdout == "True True\n"
    assert done.stderr.splitlines() == [
        "WARNING:tensorflow:shown 1",
        "INFO:tensorflow:now too",
        "ERROR:tensorflow:every 0",
        "ERROR:tensorflow:first 0",
        "ERROR:tensorflow:every 2",
        "ERROR:tensorflow:every 4",
        "CRITICAL:tensorflow:goes on",
    ]


def test_a_program_that_logs_itself_sees_each_message_once():
    done = run("""
import logging, evergraph as tf
logging.basicConfig(format="mine %(message)s")
tf.logging.error("x")
""")
    assert done.stderr == "mine x\n"
