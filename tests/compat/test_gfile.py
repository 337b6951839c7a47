"""`tf.gfile` and `tf.io.gfile` behave as TensorFlow 1.15's do on local files."""

import os

import pytest

import evergraph as tf
from evergraph.compat import gfile


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty directory, which is the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(name, contents, mode="w"):
    with tf.gfile.GFile(name, mode) as file:
        file.write(contents)


def refuses(kind, message, function, *args, **kwargs):
    with pytest.raises(getattr(tf.errors, kind)) as error:
        function(*args, **kwargs)
    assert error.value.message == message


def test_text_and_bytes_read_back(place):
    write("a", "héllo\nworld\n\nlast")
    assert tf.gfile.GFile("a").read() == "héllo\nworld\n\nlast"
    assert tf.gfile.Open("a", "rb").read() == "héllo\nworld\n\nlast".encode()
    assert tf.gfile.FastGFile("a").read(3) == "hé"
    assert tf.gfile.GFile("a").readlines() == ["héllo\n", "world\n", "\n", "last"]
    assert list(tf.gfile.GFile(b"a", "rb"))[1:] == [b"world\n", b"\n", b"last"]
    file = tf.gfile.GFile("a")
    assert (next(file), file.next()) == ("héllo\n", "world\n")


def test_modes_append_and_truncate(place):
    write("a", "abc", "w+")
    write("a", b"def", "ab")
    assert (place / "a").read_text() == "abcdef"
    write("a", "XY", "r+")
    assert (place / "a").read_text() == "XY"
    write("b", "new", "a")
    assert (place / "b").read_text() == "new"


def test_a_file_is_opened_at_the_first_use(place):
    tf.gfile.GFile("missing")
    tf.gfile.GFile("new", "w").close()
    assert not os.listdir(place)
    refuses("NotFoundError", "missing; No such file or directory", tf.gfile.GFile("missing").read)
    refuses("NotFoundError", "missing; No such file or directory", tf.gfile.GFile("missing").size)


def test_positions(place):
    write("a", "héllo\nworld")
    file = tf.gfile.GFile("a", "rb")
    assert (file.tell(), file.read(2), file.tell()) == (0, b"h\xc3", 2)
    file.seek(1)
    assert (file.readline(), file.tell()) == (b"\xc3\xa9llo\n", 7)
    file.seek(-2, 2)
    assert file.read() == b"ld"
    file.seek(0)
    file.seek(2, 1)
    assert file.read(1) == b"\xa9"
    file.seek(position=3)
    assert (file.tell(), file.size(), file.seekable(), file.name, file.mode) == (3, 12, True, "a", "rb")
    refuses("OutOfRangeError", "reached end of file", file.seek, 100)
    refuses("InvalidArgumentError", "Seeking to a negative position: -1", file.seek, -1)
    refuses("InvalidArgumentError", "Invalid whence argument: 7. Valid values are 0, 1, or 2.", file.seek, 1, 7)
    with pytest.raises(TypeError, match="offset argument required"):
        file.seek()
    with pytest.raises(TypeError, match="simultaneously"):
        file.seek(1, position=2)


def test_reading_sees_what_was_flushed(place):
    file = tf.gfile.GFile("a", "w+")
    file.write("hello")
    file.flush()
    assert (file.read(), file.tell()) == ("hello", 5)
    file.seek(0)
    assert file.read() == "hello"
    file.close()
    file = tf.gfile.GFile("b", "w")
    assert file.tell() == 0
    file.write("hello")
    assert (file.tell(), file.size()) == (5, 0)
    file.flush()
    assert file.size() == 5
    file.close()
    file.close()


def test_what_a_mode_does_not_allow(place):
    write("a", "x")
    refuses("PermissionDeniedError", "File isn't open for reading", tf.gfile.GFile("a", "w").read)
    refuses("PermissionDeniedError", "File isn't open for writing", tf.gfile.GFile("a").write, "x")
    for mode in ("q", "rw"):
        refuses(
            "InvalidArgumentError", "mode is not 'r' or 'w' or 'a' or 'r+' or 'w+' or 'a+'", tf.gfile.GFile, "a", mode
        )
    with pytest.raises(TypeError, match="got 5"):
        write("a", 5)
    refuses("FailedPreconditionError", ".; Is a directory", tf.gfile.GFile(".").read)
    refuses("NotFoundError", "no/such; No such file or directory", write, "no/such", "x")


def test_directories(place):
    tf.gfile.MkDir("d")
    tf.gfile.MkDir("d")
    refuses("NotFoundError", "q/r; No such file or directory", tf.gfile.MkDir, "q/r")
    tf.gfile.MakeDirs("m/n/o")
    tf.gfile.MakeDirs("m/n/o")
    write("m/n/g", "3")
    refuses("FailedPreconditionError", "m/n/g/h; Not a directory", tf.gfile.MakeDirs, "m/n/g/h")
    assert [tf.gfile.Exists(name) for name in ("d", "m/n/g", "nope", "")] == [True, True, False, False]
    assert [tf.gfile.IsDirectory(name) for name in ("d", "m/n/g", "nope")] == [True, False, False]
    assert sorted(tf.gfile.ListDirectory("m/n")) == ["g", "o"]
    refuses("NotFoundError", "Could not find directory nope", tf.gfile.ListDirectory, "nope")
    assert list(tf.gfile.Walk("m")) == [("m", ["n"], []), ("m/n", ["o"], ["g"]), ("m/n/o", [], [])]
    assert [here for here, _, _ in tf.gfile.Walk("m", in_order=False)] == ["m/n/o", "m/n", "m"]
    assert list(tf.gfile.Walk("nope")) == []
    seen = []
    assert list(tf.io.gfile.walk("nope", onerror=seen.append)) == []
    assert isinstance(seen[0], tf.errors.NotFoundError)
    tf.gfile.DeleteRecursively("m")
    assert os.listdir(place) == ["d"]
    refuses("NotFoundError", "nope not found", tf.gfile.DeleteRecursively, "nope")


def test_copies_and_renames(place):
    write("a", "x")
    tf.gfile.Copy("a", "b")
    refuses("AlreadyExistsError", "file already exists", tf.gfile.Copy, "a", "b")
    tf.gfile.Copy("a", "b", overwrite=True)
    tf.gfile.Rename("b", "c")
    refuses("AlreadyExistsError", "file already exists", tf.gfile.Rename, "a", "c")
    tf.gfile.Rename("a", "c", overwrite=True)
    assert os.listdir(place) == ["c"]
    refuses("NotFoundError", "nope; No such file or directory", tf.gfile.Copy, "nope", "z")
    refuses("NotFoundError", "nope; No such file or directory", tf.gfile.Rename, "nope", "z")
    tf.gfile.Remove("c")
    refuses("NotFoundError", "c; No such file or directory", tf.gfile.Remove, "c")
    refuses("FailedPreconditionError", ".; Is a directory", tf.gfile.Remove, ".")


def test_patterns(place):
    tf.gfile.MakeDirs("d/e")
    for name in ("a.txt", "b.txt", "d/f1", "d/f2", "d/.h", "d/e/f1"):
        write(name, "")
    glob = tf.gfile.Glob
    assert glob("*.txt") == ["./a.txt", "./b.txt"]
    assert glob("a.txt") == ["./a.txt"]
    assert glob("./a*") == ["./a.txt"]
    assert glob("d/*") == ["d/.h", "d/e", "d/f1", "d/f2"]
    assert glob("d/f[!1]") == glob("d/f[^1]") == ["d/f2"]
    assert glob("*/e/f?") == ["./d/e/f1"]
    assert glob(f"{place}/d/f*") == [f"{place}/d/f1", f"{place}/d/f2"]
    assert glob(["d/f1", "d/f?"]) == ["d/f1", "d/f1", "d/f2"]
    assert glob("z*") == glob("nope") == glob("") == []
    refuses("NotFoundError", "nope; No such file or directory", glob, "nope/*")


def test_facts_about_files(place):
    write("a", "four")
    found = tf.gfile.Stat("a")
    assert (found.length, found.is_directory) == (4, False)
    assert found.mtime_nsec == os.stat("a").st_mtime_ns
    assert tf.gfile.Stat(".").is_directory
    refuses("NotFoundError", "nope; No such file or directory", tf.gfile.Stat, "nope")


def test_the_names_of_version_2(place):
    io = tf.io.gfile
    io.mkdir("v")
    io.makedirs("v/w")
    with io.GFile("v/f", "w") as file:
        file.write("x")
    io.copy("v/f", "v/g")
    io.rename("v/g", "v/h")
    assert (io.exists("v/h"), io.isdir("v"), sorted(io.listdir("v"))) == (True, True, ["f", "h", "w"])
    assert (io.glob("v/?"), io.stat("v/f").length) == (["v/f", "v/h", "v/w"], 1)
    io.remove("v/h")
    io.rmtree("v")
    assert not io.exists("v")


def test_whole_files(place):
    gfile.write_string_to_file("a", "text")
    gfile.atomic_write_string_to_file("b", "text")
    assert gfile.read_file_to_string("b") == "text"
    assert gfile.read_file_to_string("b", binary_mode=True) == b"text"
    assert gfile.filecmp("a", "b")
    assert gfile.file_crc32("a", block_size=3) == "0x3b8ba7c7"
    gfile.write_string_to_file("b", "tent")
    assert not gfile.filecmp("a", "b")
    refuses("AlreadyExistsError", "file already exists", gfile.atomic_write_string_to_file, "a", "x", overwrite=False)
    assert sorted(os.listdir(place)) == ["a", "b"]
