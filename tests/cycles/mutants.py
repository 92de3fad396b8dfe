#!/usr/bin/env python3
"""Leaves one step of the protocol out after the other, in a copy of the sources, and expects the scripted interleavings of
test_protocol to fail.  `mutants.py NAME…` tries only those.  A line that is not found is a failure, too: the list is kept
in step.

What no script can bring about is left to the scheduler, whose own mutants are in tests/schedule: a certifier that does
not tell upgrades, an upgrade or a load that does not look twice, words that come round, births before their slots.

Ends with "N passed, N failed": a mutant passes when it is caught.
"""
import re
import shutil
import subprocess
import sys
import tempfile
from collections import namedtuple
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = "test_protocol"
SECONDS = 100  # a hang is caught as well

Mutant = namedtuple("Mutant", "name edits")

MUTANTS = [
    Mutant("nothing", []),
    Mutant("no touch in take", [("gc/objects/slot.c", "        word_touch(old);", "        (void)old;")]),
    Mutant("no version in retain", [("include/arca/object.h",
                                     "->arca_word, ARCA_PRIVATE_VERSION + ARCA_PRIVATE_ONE,",
                                     "->arca_word, ARCA_PRIVATE_ONE,")]),
    Mutant("no version in try_retain", [("gc/objects/header.h",
                                         "    } while (unlikely(!cas_weak_acqrel(word_of(object), &word, word + WORD_VERSION + WORD_ONE)));",
                                         "    } while (unlikely(!cas_weak_acqrel(word_of(object), &word, word + WORD_ONE)));"),
                                        ("gc/objects/header.h",
                                         "           likely(cas_acqrel(word_of(object), &word, word + WORD_VERSION + WORD_ONE));",
                                         "           likely(cas_acqrel(word_of(object), &word, word + WORD_ONE));")]),
    Mutant("no grace period", [("gc/cycles/certifier.c",
                                "    epoch_wait();                    /* 5 */", "")]),
    Mutant("words read after the scan", [("gc/cycles/certifier.c",
                                          "    if (!scan_slots(set, held))\n        return false;\n",
                                          "    if (!scan_slots(set, held))\n        return false;\n"
                                          "    for (struct pass pass = set_pass(set, set->lost); pass_next(&pass);) {\n"
                                          "        for (uint64_t bits = pass.group.objects; bits != 0; bits &= bits - 1) {\n"
                                          "            uint32_t index = pass.group.index + bits_lowest(bits);\n"
                                          "            uint64_t *word = scope_word(set->scope, scope_note(set->scope, index));\n"
                                          "            uint64_t now = load_acq(word_of(group_object(&pass.group, bits)));\n"
                                          "            carry_add(&set->carries, set->scope->units, index,"
                                          " (int64_t)word_count(now) - word_count(*word));\n"
                                          "            *word = now;\n        }\n    }\n"),
                                         ("gc/cycles/certifier.c",
                                          "        if (type == NULL || word != *read_word) {",
                                          "        *(uint64_t *)(uintptr_t)read_word = word;\n        if (type == NULL || word == 0) {")]),
    Mutant("words not read again", [("gc/cycles/certifier.c",
                                     "            if (load_acq(word_of(object)) != *read_word) /* P:touch acquire: with word_touch, and every retain */",
                                     "            if (false)"),
                                    ("gc/cycles/certifier.c",
                                     "    drop_upgraded(set);", "    (void)drop_upgraded;")]),
    Mutant("words not read again under the lock", [("gc/cycles/certifier.c",
                                                    "    drop_upgraded(set);",
                                                    "    (void)drop_upgraded;")]),
    Mutant("the dead are freed at once", [("gc/objects/death.c", "    if (unlikely(limbo_is_active()))", "    if (false && limbo_is_active())")]),
    Mutant("limbo drained inside an object", [("gc/cycles/finder.c",
                                               "    if (object == NULL)\n        return;\n"
                                               "    uint32_t index = scope_near_index(&counting->near, object);\n",
                                               "    finder_drain(counting->finder->scope);\n"
                                               "    if (object == NULL)\n        return;\n"
                                               "    uint32_t index = scope_near_index(&counting->near, object);\n")]),
    Mutant("pages are purged in the window", [("gc/cycles/certifier.c",
                                               "        lock_acquire(&retired_window); /* no page of objects is purged, so that no version goes back */\n",
                                               ""),
                                              ("gc/cycles/certifier.c", "        lock_release(&retired_window);\n    ", "    ")]),
    Mutant("notes outlast a purge", [("gc/cycles/certifier.c",
                                      " && load_rlx(&retired_purges) == scope->noted_purges &&", " &&")]),
    Mutant("notes outlast what the collection does", [("gc/cycles/certifier.c",
                                                       "held == 0 && scope->notes_hold &&", "held == 0 &&")]),
    Mutant("notes outlast what is let go of", [("gc/cycles/teardown.c",
                                                "    if (index != NO_INDEX && (set->scope->found[index / 64] & index_bit(index)))\n"
                                                "        set->scope->notes_hold = false;\n", "    (void)index;\n")]),
    Mutant("dropped members keep their edges", [("gc/cycles/certifier.c",
                                                 "    while (set->last_dropped != NO_INDEX) {",
                                                 "    while (false) {")]),
    Mutant("cells are not cut off", [("gc/cycles/certifier.c", "        cut_cells(set);", "        (void)cut_cells;")]),
]


def patch(copy, edits):
    """The first edit whose line is not there exactly once, or None."""
    for name, old, new in edits:
        path = copy / name
        text = path.read_text()
        if text.count(old) != 1:
            return f"{name}: {text.count(old)} times: {old.strip()}"
        path.write_text(text.replace(old, new))
    return None


def restore(copy, edits):
    for name in {name for name, _, _ in edits}:
        shutil.copy(ROOT / name, copy / name)
        (copy / name).touch()


def succeeds(copy, *command, seconds=600):
    try:
        run = subprocess.run(command, cwd=copy, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds,
                             errors="replace")
    except subprocess.TimeoutExpired:
        return False, "timed out"
    return run.returncode == 0, run.stdout


def caught(copy):
    """How, or None."""
    passed, said = succeeds(copy, f"build/dev/tests/cycles/{PROGRAM}", seconds=SECONDS)
    if passed:
        return None
    why = re.search(r"check failed: (.*)|Unexpected signal.*|(\w+.*CRASH.*)|released too often", said)
    return why[0] if why else said.strip().splitlines()[-1]


def main(names):
    copy = Path(tempfile.mkdtemp(prefix="mutants-"))
    passed = failed = 0
    try:
        files = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
        for name in files:
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, copy / name)
        succeeds(copy, "cmake", "--preset", "dev", "-DARCA_INTERPOSE=OFF")
        for mutant in MUTANTS:
            if names and mutant.name not in names:
                continue
            missing = patch(copy, mutant.edits)
            built, said = (False, missing) if missing else \
                succeeds(copy, "cmake", "--build", "--preset", "dev", "-j2", "--target", PROGRAM)
            by = caught(copy) if built else None
            good = built and (by is None) == (mutant is MUTANTS[0])
            passed, failed = passed + good, failed + (not good)
            told = f"caught: {by}" if by else "not caught" if built else f"does not build: {said[-500:]}"
            print(f"{'ok  ' if good else 'FAIL'} {mutant.name}: {told}", flush=True)
            restore(copy, mutant.edits)
    finally:
        shutil.rmtree(copy)
    print(f"{passed} passed, {failed} failed")
    return failed != 0


sys.exit(main(sys.argv[1:]))
