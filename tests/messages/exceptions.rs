//! Messages that no test can make happen, each by its longest piece and with the reason.
//!
//! What a test can make happen is never here. Besides these, no test is asked for:
//! - `Error::internal`: it tells of a defect, and what could be made to happen would not be one.
//! - What was being done when a server or the client library reported an error (`from_client`,
//!   `from_report`, the last argument of a session's methods): the message is the server's own.
//! - `Error::file` at each of its places: that it cannot `read` is to be seen once, of whatever file.
//! - Single words and pieces of fewer than four letters: names and units.
//! - Pieces of a message that are neither its longest nor of 20 characters: they join two values.
//!
//! A test that says 20 characters of a longer piece has seen it, if no other message has them too.

pub(crate) const EXCEPTIONS: &[(&str, &str)] = &[
    ("cannot become", "setuid(2) refused to root"),
    (
        "; change data capture needs 12 or newer",
        "no server older than 12 is among the tests' servers",
    ),
    (
        "; this version of rb-bench reads from 12 or newer",
        "no server older than 12 is among the tests' servers",
    ),
    (
        "; this version of rb-bench writes to 12 or newer",
        "no server older than 12 is among the tests' servers",
    ),
    ("CopyData or CopyDone", "a server that breaks its protocol"),
    (
        "Postgres does not run as root, and this system has neither an account `postgres` nor `nobody`",
        "needs a system without both accounts",
    ),
    (
        "` cannot be a tag",
        "metrics' names are ours and can be tags",
    ),
    (
        "a new row lacks a value",
        "a source that breaks its protocol: `Error::internal` through `torn`",
    ),
    (
        "a row has fewer values than its table has columns",
        "a source that breaks its protocol: `Error::internal` through `torn`",
    ),
    ("a server that uses", "a process that survives SIGKILL"),
    (
        "a test made the run fail at `",
        "made for tests, where the feature `fail-points` is on",
    ),
    (
        "cannot ask on the terminal:",
        "write(2) that fails on a terminal that is there",
    ),
    (
        "cannot find rb-bench's own file:",
        "readlink(2) of the running program that fails",
    ),
    (
        "cannot find this program:",
        "readlink(2) of the running program that fails",
    ),
    ("cannot list processes:", "a system without /proc"),
    ("cannot listen for signals:", "sigaction(2) that fails"),
    ("cannot listen to", "read(2) that fails on a pipe of ours"),
    (
        "cannot lock",
        "flock(2) that fails, on a file that was just opened",
    ),
    ("cannot share the lock", "dup(2) that fails"),
    ("cannot look up account", "the account database that fails"),
    ("cannot start a runtime:", "epoll_create(2) that fails"),
    ("cannot start a thread:", "clone(2) that fails"),
    (
        "cannot stop server process",
        "kill(2) refused to the server's own account",
    ),
    ("cannot suspend:", "kill(2) that fails for ourselves"),
    (
        "cannot write a document for another rb-bench:",
        "a temporary directory that cannot be written, which fails before",
    ),
    (
        "create an account named postgres, or run rb-bench as an ordinary user",
        "needs a system without both accounts",
    ),
    (
        "fail point:",
        "made for tests, where the feature `fail-points` is on",
    ),
    (
        "its key is not there",
        "a source that breaks its protocol: `Error::internal` through `torn`",
    ),
    ("listen for signals", "sigaction(2) that fails"),
    (
        "mount /proc, where the system has one",
        "a system without /proc",
    ),
    ("share the log", "dup(2) that fails"),
    ("start a runtime", "epoll_create(2) that fails"),
    (
        "the connection is lent already",
        "two uses of a session at once, which its owner excludes",
    ),
    (
        "the row as it was is not there",
        "a source that breaks its protocol: `Error::internal` through `torn`",
    ),
    (
        "the server does not tell its version",
        "a server that breaks its protocol",
    ),
    (
        "the source sent a change outside of a transaction, or of a relation it did not describe",
        "a source that breaks its protocol",
    ),
    (
        "there is no free port on 127.0.0.1:",
        "bind(2) without a free port of the whole range",
    ),
    (
        "wait for standard input",
        "read(2) that fails on a pipe of ours",
    ),
    ("wait for the server", "waitpid(2) that fails for our child"),
];
