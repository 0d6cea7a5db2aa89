"""Several processes count, and another one reads the sums: no total ever falls."""

import multiprocessing
import subprocess
import sys
from pathlib import Path

import pytest

from dingda.shared.runtime.counter_files import CounterFile, Measure, read_counter_files

CALLS = Measure("calls", "Calls.", label="outcome", values=("good", "bad"), bounds=(1, 2.5))
RESTS = Measure("rests", "Rests.", bounds=(1,))
MEASURES = (CALLS, RESTS)


def test_a_value_is_counted_in_the_first_bucket_that_holds_it(tmp_path: Path) -> None:
    histogram = CounterFile(tmp_path, MEASURES).histogram("calls", "bad")
    for value in (0.5, 1, 1.5, 2.5, 9):
        histogram.observe(value)
    assert read_counter_files(tmp_path)[CALLS] == {"good": [0, 0, 0, 0], "bad": [2, 2, 1, 14.5]}


def test_processes_that_count_at_the_same_time_are_added_up(tmp_path: Path) -> None:
    first, second = CounterFile(tmp_path, MEASURES), CounterFile(tmp_path, MEASURES)
    first.histogram("rests").observe(1)
    second.histogram("rests").observe(2)
    second.histogram("rests").observe(1)
    assert len(list(tmp_path.iterdir())) == 2
    assert read_counter_files(tmp_path)[RESTS] == {"": [2, 1, 4]}


def count_one(folder: Path) -> None:
    CounterFile(folder, MEASURES).histogram("rests").observe(1)


def test_what_a_process_has_counted_outlives_it_and_the_next_one_takes_its_file(
    tmp_path: Path,
) -> None:
    for _ in range(3):
        process = multiprocessing.get_context("spawn").Process(target=count_one, args=(tmp_path,))
        process.start()
        process.join()
    assert len(list(tmp_path.iterdir())) == 1
    assert read_counter_files(tmp_path)[RESTS] == {"": [3, 0, 3]}


def test_a_killed_process_leaves_its_counts_and_its_file(tmp_path: Path) -> None:
    code = f"""if True:
        import os
        from pathlib import Path
        from tests.unit.shared.runtime.test_counter_files import *
        CounterFile(Path({str(tmp_path)!r}), MEASURES).histogram("rests").observe(5)
        os.kill(os.getpid(), 9)"""
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[4], check=False)
    assert done.returncode == -9
    CounterFile(tmp_path, MEASURES).histogram("rests").observe(1)
    assert len(list(tmp_path.iterdir())) == 1
    assert read_counter_files(tmp_path)[RESTS] == {"": [1, 1, 6]}


def test_processes_of_two_versions_count_side_by_side(tmp_path: Path) -> None:
    new = Measure("news", "Only the later version has it.", bounds=(1,))
    earlier, later = CounterFile(tmp_path, MEASURES), CounterFile(tmp_path, (*MEASURES, new))
    earlier.histogram("rests").observe(1)
    later.histogram("rests").observe(1)
    later.histogram("news").observe(1)
    found = read_counter_files(tmp_path)
    assert (found[RESTS], found[new]) == ({"": [2, 0, 2]}, {"": [1, 0, 1]})


def test_where_two_versions_disagree_about_a_name_the_later_ones_counts_are_told(
    tmp_path: Path,
) -> None:
    changed = Measure("calls", "Calls.", bounds=(1, 5, 10))
    CounterFile(tmp_path, MEASURES).histogram("calls", "good").observe(1)
    CounterFile(tmp_path, (changed, RESTS)).histogram("calls").observe(5)
    found = read_counter_files(tmp_path)
    assert CALLS not in found
    assert found[changed] == {"": [0, 1, 0, 0, 5]}


@pytest.mark.parametrize("content", [b"", b"\0" * 20_000, b"nonsense"])
def test_a_file_that_has_only_just_begun_is_passed_over(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "000000").write_bytes(content)
    CounterFile(tmp_path, MEASURES).histogram("rests").observe(1)
    assert read_counter_files(tmp_path)[RESTS] == {"": [1, 0, 1]}


def test_a_file_takes_its_room_at_once_as_a_disk_that_is_full_later_would_kill_its_process(
    tmp_path: Path,
) -> None:
    values = tuple(map(str, range(1500)))
    many = Measure("many", "Many.", label="value", values=values, bounds=(1, 2))
    CounterFile(tmp_path, [many])
    (file,) = tmp_path.iterdir()
    assert file.stat().st_blocks * 512 >= file.stat().st_size
