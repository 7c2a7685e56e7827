"""What is missing is said with what to do about it."""

from bench.harness import BENCHES, missing
from bench.needs import Machine, lacking, this_machine
from bench.sizes import FULL, QUICK


def machine(**found: object) -> Machine:
    has = {"memory_mb": 8_000, "files": 16_384, "has_program": lambda _: True, "has_package": lambda _: True, **found}
    return Machine(**has)  # type: ignore[arg-type]


def test_nothing_is_missing_on_a_machine_that_has_it_all() -> None:
    assert missing(list(BENCHES.values()), FULL, found=machine()) == []


def test_each_lack_is_named_once_with_its_remedy() -> None:
    bare = machine(memory_mb=100, files=64, has_program=lambda _: False, has_package=lambda _: False)
    told = missing([BENCHES["post"], BENCHES["get"]], FULL, found=bare)
    assert [line.split(":")[0] for line in told] == [
        "the program wrk",
        "Valkey, Kafka",
        "4,000 MB of memory for the full form, 100 MB are free",
        "2,048 open files, the limit is 64",
    ]
    assert "apt install wrk" in told[0]
    assert "ulimit -n 2048" in told[3]


def test_a_smaller_form_needs_less() -> None:
    small = machine(memory_mb=QUICK.memory_mb, files=QUICK.files)
    assert lacking(small, QUICK, programs=(), packages=()) == []
    assert lacking(small, FULL, programs=(), packages=()) != []


def test_this_machine_is_read() -> None:
    found = this_machine()
    assert found.memory_mb > 0
    assert found.files > 0
    assert found.has_program("sh")
    assert not found.has_program("no-such-program")
    assert found.has_package("bench")
