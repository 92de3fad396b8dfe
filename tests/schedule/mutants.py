#!/usr/bin/env python3
"""Each scenario can fail: the library, broken in one place, is caught by the scenario that names the fact.

A row is a file, what is broken, the scenarios that must fail (beginnings of their names), and lines with what they
become.  A line that is not found exactly once is a failure: then the row no longer breaks what it says.

Usage: mutants.py [BUILD_DIR [PART_OF_A_ROW]]
"""
import json
import shlex
import subprocess
import sys
import tempfile
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "text"))
from report import check, finish  # noqa: E402
from tree import ROOT, build_dir  # noqa: E402

TIMEOUT_SECONDS = 100

Mutant = namedtuple("Mutant", "file what scenarios lines")


def row(file, what, scenarios, *lines):
    return Mutant(file, what, scenarios.split(), list(zip(lines[::2], lines[1::2])))


MUTANTS = [
    # ---- slots
    row("gc/objects/header.h", "who loads or upgrades does not look again",
        "slot/load_never_returns_what_lives_in_the_block_of_what_it_read slot/load_never_returns_what_lives_in_the_block_of_what_was "
        "slot/two_loads_and_a_reuse weak/upgrade_never_returns_who_was_bound",
        "*there = load_acq(place) == object;", "*there = true;"),
    row("gc/objects/slot.c", "a unit that load took in vain is kept",
        "slot/load_never_returns_what_lives_in_the_block_of_what_it_read slot/a_move_is_read_at_either slot/a_swap_loses_nothing "
        "slot/an_edit_loses_nothing",
        "load_closely(slot, alive ? object : NULL)", "load_closely(slot, NULL)"),
    row("gc/objects/slot.c", "a unit that load took in vain at a closer look is kept",
        "slot/load_never_returns_what_lives_in_the_block_of_what_it_read slot/a_move_is_read_at_either slot/a_swap_loses_nothing "
        "slot/an_edit_loses_nothing",
        "if (alive)\n            arca_release(object);\n        else if (there", "if (!alive && there"),
    row("gc/objects/slot.c", "load has no section", "epoch/a_load_under_way_keeps_the_memory",
        "    epoch_enter();\n    object", "    object", "there);\n    epoch_leave();", "there);"),
    row("gc/objects/slot.c", "a closer look has no section", "epoch/a_load_under_way_keeps_the_memory",
        "        epoch_enter_anyhow();\n", "", "        epoch_leave_anyhow();\n", ""),
    row("gc/objects/slot.c", "store exchanges in two steps", "slot/the_later_of_two_stores_stays",
        "unit_release(exchange_acqrel(slot_word(slot), object));",
        "void *old = load_acq(slot_word(slot)); store_rel(slot_word(slot), object); arca_release(old);"),
    row("gc/objects/slot.c", "store retains too late", "slot/what_is_stored_has_its_unit slot/store_take_and_load_at_once",
        "arca_retain(object);\n    unit_release(exchange_acqrel(slot_word(slot), object));",
        "void *old = exchange_acqrel(slot_word(slot), object); arca_retain(object); arca_release(old);"),
    row("gc/objects/slot.c", "store releases the old one first", "slot/the_last_of_three_lets_it_die",
        "unit_release(exchange_acqrel(slot_word(slot), object));",
        "arca_release(load_acq(slot_word(slot))); exchange_acqrel(slot_word(slot), object);"),
    row("gc/objects/slot.c", "take in two steps",
        "slot/two_takes_share_no_unit slot/two_exchanges_share_no_unit slot/an_exchange_and_a_take "
        "slot/an_exchange_and_a_store slot/stores_exchanges_and_loads_of_three_threads mix/moves_births",
        "void *old = exchange_acqrel(slot_word(slot), owned);",
        "void *old = load_acq(slot_word(slot)); store_rel(slot_word(slot), owned);"),
    row("gc/objects/slot.c", "take does not touch", "slot/a_unit_that_is_found_at_two_places",
        "if (old != NULL)\n        word_touch(old);", ""),
    row("gc/objects/slot.c", "an edit does not touch", "slot/an_edit_shows_in_its_owners_word",
        "word_touch(object);\n    epoch_leave_anyhow();", "epoch_leave_anyhow();"),
    row("gc/objects/slot.c", "an edit has no section", "slot/an_edit_shows_in_its_owners_word",
        "object, NULL);\n    epoch_enter_anyhow();", "object, NULL);", "    epoch_leave_anyhow();\n}\n", "}\n"),
    row("gc/objects/slot.c", "a swap puts before it takes", "slot/a_swap_shows_in_the_words",
        "*second = exchange_as(\"arca_slot_swap\", b, NULL);\n    put_as(\"arca_slot_swap\", a, second);",
        "*second = arca_slot_borrow(b);\n    put_as(\"arca_slot_swap\", a, second);"),
    # ---- counts
    row("gc/objects/header.h", "the dead are retained", "slot/load_revives_nothing slot/what_dies_is_stored_elsewhere",
        "if (unlikely(word_count(word) == 0))\n            return false;", ""),
    row("gc/objects/header.h", "a unit is taken in two steps",
        "slot/two_loads_get_a_unit_each slot/load_of_a_block_that_came_back",
        "while (unlikely(!cas_weak_acqrel(word_of(object), &word, word + WORD_VERSION + WORD_ONE)));",
        "while (store_rel(word_of(object), word + WORD_VERSION + WORD_ONE), false);"),
    row("include/arca/object.h", "release looks at the count afterwards",
        "count/two_last_releases_make_one_death count/three_last_releases_make_one_death death/what_is_stored_into_the_dying "
        "mix/moves_births",
        "uint64_t word = __atomic_fetch_sub(&((arca_object *)object)->arca_word, ARCA_PRIVATE_ONE, __ATOMIC_SEQ_CST);",
        "__atomic_fetch_sub(&((arca_object *)object)->arca_word, ARCA_PRIVATE_ONE, __ATOMIC_SEQ_CST);\n"
        "uint64_t word = __atomic_load_n(&((arca_object *)object)->arca_word, __ATOMIC_SEQ_CST) + ARCA_PRIVATE_ONE;"),
    row("include/arca/object.h", "retain in two steps", "count/a_retained_object_outlives",
        "__atomic_fetch_add(&((arca_object *)object)->arca_word, ARCA_PRIVATE_VERSION + ARCA_PRIVATE_ONE, __ATOMIC_RELAXED);",
        "uint64_t *at = &((arca_object *)object)->arca_word;"
        " uint64_t next = __atomic_load_n(at, __ATOMIC_RELAXED) + ARCA_PRIVATE_VERSION + ARCA_PRIVATE_ONE;"
        " __atomic_store(at, &next, __ATOMIC_RELAXED);"),
    row("gc/objects/count.c", "renewing the count takes the mark away", "count/what_becomes_immortal_meanwhile_never_dies",
        "fresh = (word & ~WORD_COUNT) +", "fresh = (word & ~WORD_COUNT & ~WORD_IMMORTAL) +"),
    row("gc/objects/count.c", "a new immortal keeps its count", "count/an_immortal_object_is_never_taken_for_dead",
        "    count_recentre(object);\n    return !before;", "    return !before;"),
    row("gc/objects/recall.c", "a recall does not wait for who is at it", "reserve/a_recall_takes_no_unit_that_is_in_hand",
        "while (passed && load_acq(reserve_busy(reserve)))", "while (false)"),
    row("gc/objects/recall.c", "who dies of a recall is forgotten", "reserve/the_last_release_and_a_recall_make_one_death",
        "if (object != NULL && reserve_clear(reserve, place))\n            death_begin(object);", "reserve_clear(reserve, place);"),
    row("gc/objects/recall.c", "a recall without a barrier", "reserve/a_recall_takes_no_unit_that_is_in_hand",
        "bool passed = os_barrier();", "bool passed = true;"),
    row("gc/objects/recall.c", "what is due is forgotten at the end", "reserve/what_comes_in_beside_a_recall_is_left_to_another",
        "    store_rlx(&reserves_due, false);\n", "", "    free_ended();\n}", "    store_rlx(&reserves_due, false);\n}"),
    row("gc/objects/recall.c", "a recall looks at the list before what is due is taken", "reserve/who_comes_on_the_list_beside_a_recall",
        "    fence_seq(); /* and then the list: with reserve_open */\n", ""),
    row("gc/objects/recall.c", "who has ended is taken off in two steps", "reserve/who_comes_on_the_list_beside_a_recall",
        "else if (cas_acqrel(link, &expected, reserve->next)) {", "else if (store_rel(link, expected->next), true) {"),
    row("gc/objects/recall.c", "a recall that got its barrier is due again", "reserve/a_recall_takes_no_unit",
        "    if (!passed)\n        store_rlx(&reserves_due, true); /* once more */", "    store_rlx(&reserves_due, true);"),
    row("gc/objects/recall.c", "a thread empties its reserve beside a recall",
        "reserve/a_thread_ends_while_its_reserve_is_recalled",
        "    if (reserve_enter(reserve)) {", "    reserve_enter(reserve);\n    {"),
    row("include/arca/object.h", "what is given is lost", "reserve/two_threads_give_back_all_that_they_have",
        "    reserve->arca_units[place] += given;\n", ""),
    row("include/arca/object.h", "what is taken stays", "reserve/what_is_loaded_out_of_a_reserve_lives",
        "    reserve->arca_units[place] -= taken;\n", ""),
    row("include/arca/object.h", "a reserve is never closed", "reserve/a_recall_takes_no_unit_that_is_in_hand reserve/two_threads_and_a_recall",
        "__atomic_load_n(&reserve->arca_closed, __ATOMIC_ACQUIRE) == 0,", "__atomic_load_n(&reserve->arca_closed, __ATOMIC_ACQUIRE) < 2,"),
    row("gc/objects/count.c", "an overflow is said by whoever meets it", "count/an_overflow_is_said_once",
        "word_count(word) >= ARCA_PRIVATE_COUNT_LIMIT && count_make_immortal(object))",
        "word_count(word) >= ARCA_PRIVATE_COUNT_LIMIT && (count_make_immortal(object), true))"),
    # ---- weak references
    row("gc/objects/weak.c", "upgrade keeps a unit that it took in vain", "weak/upgrade_never_returns_who_was_bound",
        "upgrade_closely(weak, alive ? object : NULL)", "upgrade_closely(weak, NULL)"),
    row("gc/objects/weak.c", "upgrade keeps a unit that it took in vain at a closer look", "weak/upgrade_never_returns_who_was_bound",
        "    if (alive)\n        arca_release(object);\n", ""),
    row("gc/objects/header.h", "upgrade retains the dead", "weak/upgrade_or_death_and_not_both",
        "likely((uint32_t)word - 1 < ARCA_PRIVATE_COUNT_LIMIT - 1) &&", "likely((uint32_t)word < ARCA_PRIVATE_COUNT_LIMIT) &&"),
    row("gc/objects/header.h", "upgrade retains the dead at a closer look", "weak/upgrade_or_death_and_not_both",
        "*alive = object != NULL && (closely ? word_try_retain(object)", "*alive = object != NULL && (closely ? arca_retain(object) != NULL"),
    row("gc/objects/weak.c", "upgrade has no section", "epoch/an_upgrade_under_way_keeps_the_memory",
        "    epoch_enter();\n    if", "    if", "there);\n    epoch_leave();\n    if (likely", "there);\n    if (likely"),
    row("gc/objects/weak.c", "a closer look has no section", "epoch/an_upgrade_under_way_keeps_the_memory",
        "    epoch_enter_anyhow();\n    bool", "    bool", "    epoch_leave_anyhow();\n    if (alive", "    if (alive"),
    row("gc/objects/weak.c", "the first cell is overwritten", "weak/two_first_binds_share_a_cell",
        "if (cas_acqrel(kind_of(object), &kind, (uintptr_t)cell | KIND_CELL))",
        "if (store_rel(kind_of(object), (uintptr_t)cell | KIND_CELL), true)"),
    row("gc/objects/weak.c", "a binder does not retain the cell that it finds", "weak/bind_while_the_others_upgrade",
        "if (kind_is_cell(kind))\n        return arca_retain(kind_cell(kind));", "if (kind_is_cell(kind))\n        return kind_cell(kind);"),
    row("gc/objects/weak.c", "the winner's cell is not retained", "weak/two_first_binds_share_a_cell",
        "arca_release(cell);\n    return arca_retain(kind_cell(kind));", "arca_release(cell);\n    return kind_cell(kind);"),
    row("gc/objects/weak.c", "the cell is published before it knows the type", "weak/the_type_can_be_read",
        "cell->type = (arca_type *)kind;\n", "",
        "    if (cas_acqrel(kind_of(object), &kind, (uintptr_t)cell | KIND_CELL))\n        return arca_retain(cell);",
        "    arca_type *late = (arca_type *)kind;\n    if (cas_acqrel(kind_of(object), &kind, (uintptr_t)cell | KIND_CELL))\n"
        "        return arca_retain(cell), cell->type = late, cell;"),
    row("gc/objects/cell.c", "the cell's target stays", "death/an_upgrade_comes_before_the_finalizer",
        "store_rel(&cell->target, NULL);", ""),
    row("gc/objects/cell.c", "a dying weak reference is called back", "weak/callback_against_the_weak_ones_death",
        "if (word_try_retain(weak))", "if (arca_retain(weak) != NULL)"),
    row("gc/objects/cell.c", "a weak reference that is called back is not kept", "weak/callback_against_sever",
        "if (word_try_retain(weak))", "if (true)"),
    row("gc/objects/cell.c", "watchers leave without the lock", "weak/watchers_come_and_go",
        "    lock_acquire(&cells_lock);\n    if (weak->listed)\n        unlink_locked(cell, weak);\n    lock_release(&cells_lock);\n",
        "    if (weak->listed) {\n        struct arca_weak **at = &cell->watchers;\n"
        "        while (*at != weak)\n            at = &(*at)->next;\n        (void)load_rlx(&weak->severed);\n"
        "        *at = weak->next;\n        weak->listed = false;\n    }\n"),
    row("gc/objects/weak.c", "sever leaves the watcher", "weak/what_is_severed_before_the_death",
        "store_rlx(&weak->severed, true);\n    if (weak->callback != NULL)\n        cell_remove_watcher(weak->cell, weak);",
        "store_rlx(&weak->severed, weak->callback == NULL);"),
    row("gc/objects/weak.c", "a weak reference keeps its cell", "weak/the_cell_goes_with_the_last",
        "    arca_release(weak->cell);\n", ""),
    row("gc/objects/weak.c", "upgrade does not wait for a verdict", "weak/what_is_found_lost_is_not_upgraded",
        "if (likely(!load_acq(&weak_certifying)))", "if (true)"),
    row("gc/objects/weak.c", "upgrade does not wait for a verdict at a closer look", "weak/what_is_found_lost_is_not_upgraded",
        "bool certifying = load_acq(&weak_certifying);", "bool certifying = false;"),
    row("gc/objects/weak.c", "upgrade asks for a verdict outside its section", "weak/what_is_found_lost_is_not_upgraded",
        "    epoch_enter();\n    if (likely(!load_acq(&weak_certifying)))",
        "    bool certifying = load_acq(&weak_certifying);\n    epoch_enter();\n    if (!certifying)"),
    row("gc/objects/weak.c", "a closer look asks for a verdict outside its section", "weak/what_is_found_lost_is_not_upgraded",
        "    epoch_enter_anyhow();\n    bool certifying = load_acq(&weak_certifying);", "    bool certifying = load_acq(&weak_certifying);\n    epoch_enter_anyhow();"),
    row("tests/schedule/scenarios_weak.c", "a verdict without a grace period", "weak/what_is_found_lost_is_not_upgraded",
        "    epoch_wait();\n", ""),
    row("tests/schedule/scenarios_weak.c", "a verdict that looks before it has the lock", "weak/what_is_found_lost_is_not_upgraded",
        "if (unchanged && load_acq(word_of(object)) == before) {", "if (unchanged) {"),
    # ---- death
    row("gc/objects/death.c", "after finalize the count is read again",
        "death/the_resurrected_dies_once_whoever_is_last death/a_late_load_and_a_finalizer",
        "    if (units != 1)\n        return false;",
        "    if (word_count(load_rlx(word_of(object))) != 0)\n        return false;"),
    row("gc/objects/death.c", "a finalized object is finalized again",
        "death/the_resurrected_dies_once_whoever_is_last death/the_resurrected_dies_once_whoever_is_last_of_three "
        "death/two_late_loads_and_a_finalizer",
        " && !(load_rlx(word_of(object)) & WORD_FINALIZED)", ""),
    row("gc/objects/type.c", "a type is entered by whoever meets it", "type/two_first_uses",
        "load_rlx(type_state(type)) != TYPE_NEW || register_locked(type)", "register_locked(type)"),
    row("gc/objects/death.c", "a cell that came late is forgotten", "death/a_weak_one_that_was_bound_in_the_finalizer",
        "    call_back(late);\n", ""),
    row("gc/objects/death.c", "the count of a slot is read again", "death/a_chain_dies_up_to_the_one_in_hand mix/moves_births",
        "    uint64_t word = sub_seq(word_of(object), WORD_ONE);\n",
        "    sub_seq(word_of(object), WORD_ONE);\n    uint64_t word = load_rlx(word_of(object)) + WORD_ONE;\n"),
    # ---- limbo and memory that leaves
    row("gc/objects/death.c", "the dead do not wait in limbo", "limbo/what_is_traversed_is_not_reused",
        "if (unlikely(limbo_is_active()))", "if (false)"),
    row("gc/objects/death.c", "what was kept back goes past the limbo", "limbo/what_is_traversed_is_not_reused",
        "    if (limbo_is_active()) {\n        limbo_push(first, last);", "    if (false) {\n        limbo_push(first, last);"),
    row("tests/schedule/scenarios_death.c", "an activation that is not seen at once", "limbo/what_is_traversed_is_not_reused",
        "store_seq(&limbo_active, 1u);", "store_rel(&limbo_active, 1u);"),
    row("tests/schedule/scenarios_death.c", "a collector that drains before it has looked", "limbo/what_is_traversed_is_not_reused",
        "        SCHEDULE_POINT(\"traversal\");\n", "        drain_limbo();\n        SCHEDULE_POINT(\"traversal\");\n"),
    row("gc/objects/limbo.c", "limbo is pushed in two steps", "limbo/what_is_pushed_comes_out_once",
        "while (!cas_weak_rel(&head, &before, first));", "while (store_rel(&head, first), false);"),
    row("gc/objects/limbo.c", "limbo is drained in two steps", "limbo/what_is_pushed_comes_out_once",
        "return exchange_acq(&head, NULL);", "void *all = load_acq(&head); store_rlx(&head, NULL); return all;"),
    row("gc/objects/limbo.c", "the link is that of the first try", "limbo/what_is_pushed_comes_out_once",
        "    do {\n        limbo_link(last, before);\n", "    limbo_link(last, before);\n    do {\n"),
    row("gc/objects/keeper.c", "spans return without a grace period", "epoch/a_load_under_way_keeps_the_memory",
        "    epoch_wait();\n", ""),
    # ---- the collector
    row("include/arca/object.h", "retain leaves the version",
        "certify/a_count_that_is_as_before_a_retain certify/a_count_that_is_as_before_a_store",
        "->arca_word, ARCA_PRIVATE_VERSION + ARCA_PRIVATE_ONE,", "->arca_word, ARCA_PRIVATE_ONE,"),
    row("gc/objects/header.h", "a load leaves the version", "certify/a_count_that_is_as_before_a_load",
        "likely(cas_acqrel(word_of(object), &word, word + WORD_VERSION + WORD_ONE));", "likely(cas_acqrel(word_of(object), &word, word + WORD_ONE));"),
    row("gc/objects/header.h", "a closer look leaves the version", "certify/a_count_that_is_as_before_a_load",
        "word + WORD_VERSION + WORD_ONE)));", "word + WORD_ONE)));"),
    row("gc/objects/slot.c", "load has no section, from a ring", "certify/a_load_under_way_gets_nothing",
        "    epoch_enter();\n    object", "    object", "there);\n    epoch_leave();", "there);"),
    row("gc/objects/weak.c", "upgrade has no section, into a ring", "certify/an_upgrade_or_the_verdict",
        "    epoch_enter();\n    if", "    if", "there);\n    epoch_leave();\n    if (likely", "there);\n    if (likely"),
    row("gc/objects/death.c", "the dead of a ring do not wait in limbo", "certify/what_dies_meanwhile collect/what_dies_meanwhile",
        "if (unlikely(limbo_is_active()))", "if (false)"),
    row("gc/objects/ref.c", "an object is born before its slots are cleared", "certify/what_a_block_held_in_another_life",
        "    if (likely(block != NULL) && likely(size <= SMALL_MAX)) /* others are clear: who makes them knows whether they were */\n"
        "        clear_body(block, size);\n", "",
        "to word_try_retain */\n    return block;",
        "*/\n    (void)load_rlx(word_of(block));\n    clear_body(block, type->size);\n    return block;"),
    row("gc/cycles/certifier.c", "nobody looks at the clock",
        "certify/a_word_that_has_come_round_proves certify/a_word_that_has_come_round_before",
        "    set->late |= os_now_ms() - set->read_ms >= certifier_window_ms;\n", ""),
    row("gc/cycles/certifier.c", "the clock is looked at before the lock of upgrades is held",
        "certify/a_word_that_has_come_round_before", "    return decide_cells(set, room);",
        "    look_at_clock(set, set->read_ms);\n    return decide_cells(set, room);",
        "    take_back_edges(set);\n    look_at_clock(set, set->read_ms);\n    bool proved",
        "    take_back_edges(set);\n    bool proved"),
    row("gc/cycles/certifier.c", "a repeated reading counts from its end", "certify/nor_does_one_that_was_read_in_between",
        "    look_at_clock(set, start_ms);", "    look_at_clock(set, os_now_ms());"),
    row("gc/cycles/certifier.c", "a repeated reading compares nothing", "certify/nor_does_one_that_was_read_in_between",
        "if (is_member && load_acq(word_of(group_object(&group, bits))) != *read_word) /* P:touch acquire: with word_touch */",
        "if (false && is_member)"),
    row("gc/cycles/certifier.c", "a repeated reading takes the new word", "certify/nor_does_one_that_was_read_in_between",
        "/* P:touch acquire: with word_touch */\n                drop(set, group.index + bits_lowest(bits));",
        "/* P:touch acquire: with word_touch */\n                *(uint64_t *)(uintptr_t)read_word = load_acq(word_of(group_object(&group, bits)));"),
    row("gc/objects/slot.c", "take does not touch, in a ring",
        "certify/a_unit_that_moves_is_not_counted_twice certify/a_unit_that_is_swapped certify/a_unit_that_is_exchanged",
        "if (old != NULL)\n        word_touch(old);", ""),
    row("gc/objects/count.c", "a new immortal is not marked", "certify/who_becomes_immortal_meanwhile_stays",
        "    bool before = or_rlx(word_of(object), WORD_IMMORTAL) & WORD_IMMORTAL;\n    count_recentre(object);\n",
        "    bool before = load_rlx(word_of(object)) & WORD_IMMORTAL;\n"),
    row("gc/objects/slot.c", "an edit does not touch, in a ring", "certify/a_unit_that_is_moved_by_an_edit",
        "word_touch(object);\n    epoch_leave_anyhow();", "epoch_leave_anyhow();"),
    row("gc/objects/slot.c", "an edit has no section, in a ring", "certify/a_unit_that_is_moved_by_an_edit",
        "object, NULL);\n    epoch_enter_anyhow();", "object, NULL);", "    epoch_leave_anyhow();\n}\n", "}\n"),
    row("gc/cycles/certifier.c", "no second reading", "certify/a_unit_that_moves_is_not_counted_twice "
        "certify/a_unit_that_is_moved_by_an_edit",
        "if (load_acq(word_of(object)) != *read_word) /* P:touch acquire: with word_touch, and every retain */",
        "if (false)"),
    row("gc/cycles/certifier.c", "words are read after the scans", "certify/a_unit_that_moves_is_not_counted_twice",
        "    if (!scan_slots(set, held))\n        return false;\n",
        "    if (!scan_slots(set, held))\n        return false;\n"
        "    for (struct pass pass = set_pass(set, set->lost); pass_next(&pass);) {\n"
        "        for (uint64_t bits = pass.group.objects; bits != 0; bits &= bits - 1) {\n"
        "            uint32_t index = pass.group.index + bits_lowest(bits);\n"
        "            uint64_t *word = scope_word(set->scope, scope_note(set->scope, index)), before = *word;\n"
        "            *word = load_acq(word_of(group_object(&pass.group, bits)));\n"
        "            set->scope->units[index] += (uint8_t)(word_count(*word) - word_count(before));\n        }\n    }\n",
        "        if (type == NULL || word != *read_word) {\n",
        "        *(uint64_t *)(uintptr_t)read_word = word;\n        if (type == NULL) {\n"),
    row("gc/cycles/certifier.c", "no grace period",
        "certify/a_load_under_way_gets_nothing certify/an_upgrade_or_the_verdict collect/moves_loads_upgrades",
        "    epoch_wait();                    /* 5 */\n", ""),
    row("gc/cycles/certifier.c", "upgrades are not told", "certify/an_upgrade_or_the_verdict collect/a_lost_ring_is_freed_or_upgraded",
        "    store_rlx(&weak_certifying, 1u); /* 4 */\n", ""),
    row("gc/cycles/certifier.c", "upgrades are told after the grace period", "certify/an_upgrade_or_the_verdict",
        "    store_rlx(&weak_certifying, 1u); /* 4 */\n    epoch_wait();                    /* 5 */\n",
        "    epoch_wait();\n    store_rlx(&weak_certifying, 1u);\n"),
    row("gc/cycles/certifier.c", "the words are not read under the lock of upgrades", "certify/an_upgrade_or_the_verdict",
        "    drop_upgraded(set);\n", ""),
    row("gc/cycles/certifier.c", "what an upgrade leads to is lost", "certify/an_upgrade_saves_what_it_leads_to",
        "    drop_upgraded(set);\n    take_back_edges(set);\n", "    drop_upgraded(set);\n"),
    row("gc/cycles/certifier.c", "weak cells are looked for before the words are read", "certify/a_cell_that_comes_meanwhile",
        "    if (!read_words(set, held))\n",
        "    size_t with_cell = 0;\n    for (struct pass pass = set_pass(set, set->lost); pass_next(&pass);) {\n"
        "        for (uint64_t bits = pass.group.objects; bits != 0; bits &= bits - 1)\n"
        "            with_cell += kind_is_cell(load_acq(kind_of(group_object(&pass.group, bits))));\n    }\n"
        "    if (!read_words(set, held))\n",
        "    return decide_cells(", "    if (with_cell == 0)\n        set->with_cell_count = 0;\n    return decide_cells("),
    row("gc/cycles/certifier.c", "counts are not compared", "certify/what_is_loaded_from_the_ring collect/a_ring_that_is_held",
        "left = left != 0 ? left & scope_with_units(set->scope, base) : 0;", "left = 0;",
        "            drop(set, set->edges[e]);\n", "            (void)e;\n"),
    row("gc/cycles/certifier.c", "weak cells are not cut off", "collect/a_lost_ring_is_freed_or_upgraded",
        "    if (proved)\n        cut_cells(set);\n", ""),
    row("gc/cycles/certifier.c", "the limbo is drained inside an object", "certify/what_dies_meanwhile",
        "    uint32_t index = scope_near_index(&scan->near, object);\n",
        "    finder_drain(NULL);\n    uint32_t index = scope_near_index(&scan->near, object);\n"),
    row("gc/cycles/collector.c", "an activation that deaths do not see", "collect/what_dies_meanwhile",
        "store_seq(&limbo_active, 1u);\n    fence_seq();", "store_rel(&limbo_active, 1u);"),
    row("gc/cycles/scope.c", "a kind is believed without a second look", "collect/what_dies_meanwhile",
        "(const arca_type *)kind;\n    if (word_count(load_rlx(word_of(block))) == 0)\n        return NULL;\n", "(const arca_type *)kind;\n"),
    row("gc/cycles/teardown.c", "a slot that was filled since is not looked at", "certify/what_was_put_after_the_scan_is_released",
        " || unlikely(was_filled_since(ending, type))", ""),
    row("gc/cycles/teardown.c", "after the finalizers nothing is proved again",
        "collect/what_a_finalizer_saves collect/what_is_saved_and_dropped",
        "bool proved = certifier_run(set, 1);", "bool proved = true;"),
    row("gc/cycles/teardown.c", "units of what was saved are kept", "collect/what_a_finalizer_saves",
        "            unit_release(group_object(&pass.group, given_back));\n", "            (void)0;\n"),
    row("gc/cycles/teardown.c", "a finalized member is not marked", "collect/what_is_saved_and_dropped",
        "                or_rlx(word_of(object), WORD_FINALIZED);\n", ""),
    row("gc/objects/keeper.c", "two collect at once", "collect/two_collections_free_it_once",
        "    lock_acquire(&work_lock);\n    sub_rlx(&wanted, 1u);\n    int cancellable = work_begin_locked();\n    end_fiber();\n    job(context);\n    release_retired();\n    work_end_locked(cancellable);",
        "    job(context);\n    release_retired();"),
    # ---- the allocator's own
    row("src/base/lock.h", "release does not wake", "lock/one_holder_and_nobody_sleeps_for_ever",
        "unlikely(before == 2)", "unlikely(before == 3)"),
    row("src/base/lock.c", "who sleeps does not say so", "lock/one_holder_and_nobody_sleeps_for_ever",
        "exchange_acq(&lock->state, 2u)", "exchange_acq(&lock->state, 1u)",
        "os_wait(&lock->state, 2, OS_FOREVER)", "os_wait(&lock->state, 1, OS_FOREVER)"),
    row("src/base/lock.c", "who has slept forgets that others may sleep", "lock/one_holder_and_nobody_of_three",
        "while (exchange_acq(&lock->state, 2u) != 0)", "for (uint32_t mark = 2; exchange_acq(&lock->state, mark) != 0; mark = 1)",
        "os_wait(&lock->state, 2, OS_FOREVER)", "os_wait(&lock->state, mark, OS_FOREVER)"),
    row("src/base/lock.h", "try in two steps", "lock/one_holder_and_nobody_sleeps_for_ever",
        "return cas_acq(&lock->state, &expected, 1u);",
        "return load_acq(&lock->state) == expected ? store_rlx(&lock->state, 1u), true : false;"),
    row("src/base/os_confine_linux.c", "a call looks for filters before it is counted",
        "confine/no_call_is_under_way confine/nor_one_of_two_threads",
        "    add_rlx(&under_way, 1u);\n    fence_seq();\n    if (likely(load_rlx(&filters) == 0))\n        return true;\n",
        "    bool none = load_rlx(&filters) == 0;\n    add_rlx(&under_way, 1u);\n    if (none)\n        return true;\n"),
    row("src/base/os_confine_linux.c", "a filter waits for no call", "confine/no_call_is_under_way confine/nor_one_of_two_threads",
        "i < LOOKS && load_acq(&under_way) != 0", "i < 0 && load_acq(&under_way) != 0"),
    row("src/base/os_confine_linux.c", "a filter looks for calls before it is counted", "confine/no_call_is_under_way",
        "    add_rlx(&filters, alone ? ASKED_FOR_ALONE + 1u : 1u);\n    fence_seq();\n", "",
        "        os_pause(LOOK_US);\n    return true;", "        os_pause(LOOK_US);\n    add_rlx(&filters, 1u + 0 * asking_here);\n    return true;"),
    row("src/base/os_confine_linux.c", "a call that is refused does not end",
        "confine/no_call_is_under_way confine/nor_one_of_two_threads",
        "        return true;\n    os_rare_end();\n    return false;", "        return true;\n    return false;"),
    row("src/base/os_confine_linux.c", "a filter that came to nothing takes all away", "confine/a_filter_stays_when_another",
        "sub_rlx(&filters, (alone ? ASKED_FOR_ALONE : 0u) + (made ? 0u : 1u));", "store_rlx(&filters, 0u * (alone + made));"),
    row("src/heap/remote.c", "push in two steps", "remote/what_is_pushed_is_drained_once",
        "while (!cas_weak_rel(&list->head, &head, first));", "while (store_rel(&list->head, first), false);"),
    row("src/heap/remote.c", "the link is that of the first try", "remote/what_is_pushed_is_drained_once",
        "    do {\n        block_set_next(last, head);\n", "    block_set_next(last, head);\n    do {\n"),
    row("src/heap/remote.c", "drain in two steps", "remote/what_is_pushed_is_drained_once",
        "return exchange_acq(&list->head, NULL);",
        "struct block *all = load_acq(&list->head); store_rlx(&list->head, NULL); return all;"),
    row("src/heap/remote.c", "a drain that pops one block", "remote/a_block_that_comes_back",
        "return exchange_acq(&list->head, NULL);",
        "struct block *top = load_acq(&list->head);\n"
        "    while (!cas_acqrel(&list->head, &top, block_next(top)))\n        ;\n    block_set_next(top, NULL);\n    return top;"),
    row("src/heap/retired.c", "only the second span wakes", "retired/every_span_is_taken_once",
        "if (before == 0)", "if (before == 1)"),
    row("src/heap/retired.c", "the list is taken without its lock", "retired/every_span_is_taken_once",
        "    lock_acquire(&list_lock);\n    struct span *list = first;\n    first = NULL;\n"
        "    watch_retire(-load_rlx(&watch_retired_bytes)); /* they change under the lock */\n"
        "    store_rlx(&retired_count, 0u);\n    lock_release(&list_lock);",
        "    struct span *list = first;\n    store_rlx(&retired_count, 0u);\n    first = NULL;"),
    row("src/heap/watch.c", "who ends its attention does not look again", "watch/whoever_passes_the_limit",
        "    store_seq(&watch_attended, false);\n    if (load_seq(&watch_blocks) >= load_rlx(&watch_limit) || load_seq(&watch_bytes) >= load_rlx(&watch_limit_bytes))\n        watch_ring();",
        "    store_seq(&watch_attended, false);"),
    row("src/heap/watch.c", "who ends its attention looks first", "watch/whoever_passes_the_limit",
        "    store_seq(&watch_attended, false);\n    if (load_seq(&watch_blocks) >= load_rlx(&watch_limit) || load_seq(&watch_bytes) >= load_rlx(&watch_limit_bytes))\n        watch_ring();",
        "    if (load_seq(&watch_blocks) >= load_rlx(&watch_limit) || load_seq(&watch_bytes) >= load_rlx(&watch_limit_bytes))\n        watch_ring();\n    store_seq(&watch_attended, false);"),
    row("src/base/lock.h", "who only wants the lock frees it", "lock/who_wants_it",
        "    cas_acq(&lock->state, &held, 2u);", "    cas_acq(&lock->state, &held, 0u);"),
    row("src/heap/heap_life.c", "a thread goes into its heap while it is swept", "door/a_heap_is_its_threads_or_the",
        "    if (!lock_try_or_want(&heap->lock))\n        return false;", "    lock_try_or_want(&heap->lock);"),
    row("src/front/background.c", "a sweep without the barrier", "door/a_heap_is_its_threads_or_the_sweepers",
        "return parked != 0 && os_barrier();", "return parked != 0;"),
    row("src/heap/heap_life.c", "the sweeper does not look whether the door is in use", "door/a_heap_is_its_threads_or_the",
        "if (barrier && load_acq(&heap->door->busy) == 0) {", "if (barrier) {"),
    row("src/heap/heap_life.c", "the sentinel comes after the look", "door/a_heap_is_its_threads_or_the",
        "        store_rlx(&heap->door->heap, &heap_sentinel);\n        parking = true;", "        parking = true;",
        "            store_rlx(&heap->state, (uint8_t)HEAP_PARKED);\n            return true;",
        "            store_rlx(&heap->door->heap, &heap_sentinel);\n"
        "            store_rlx(&heap->state, (uint8_t)HEAP_PARKED);\n            return true;"),
    row("src/heap/heap.h", "the thread reads its heap before it says so", "door/a_heap_is_its_threads_or_the",
        "    store_rlx(&door->busy, 1u);\n    fence_compiler(); /* the processor's half: os_barrier() in the sweeper */\n"
        "    return load_rlx(&door->heap);",
        "    struct heap *heap = load_rlx(&door->heap);\n    store_rlx(&door->busy, 1u);\n    return heap;"),
    row("src/heap/heap_life.c", "an ending thread does not wait for the sweeper", "door/a_thread_ends_while_its_heap_is_swept",
        "lock_acquire(&heap->lock); /* first: the sweeper may be opening the door again */", "lock_try(&heap->lock);"),
    row("src/heap/heap_life.c", "an orphan can be adopted before it is let go", "door/an_orphan_has_one_heir",
        "    struct orphans *list = &orphans[heap->objects];\n    lock_acquire(&list->lock);\n"
        "    orphan_add_locked(list, heap);\n    lock_release(&list->lock);\n", "",
        "    struct heap *heap = door->own;\n    lock_acquire(&heap->lock); /* first",
        "    struct heap *heap = door->own;\n    struct orphans *list = &orphans[heap->objects];\n    lock_acquire(&list->lock);\n"
        "    orphan_add_locked(list, heap);\n    lock_release(&list->lock);\n    lock_acquire(&heap->lock); /* first"),
    row("src/heap/heap_life.c", "the sweeper opens the door to a heap that it has taken", "door/a_heap_is_its_threads_or_one_of_two",
        "            store_rlx(&heap->state, (uint8_t)HEAP_PARKED);\n            return true;",
        "            store_rlx(&heap->state, (uint8_t)HEAP_PARKED);\n            store_rlx(&heap->door->heap, heap);\n            return true;"),
    row("src/heap/heap_life.c", "two take the orphan at once", "door/of_two_who_begin_one_is_the_heir",
        "    lock_acquire(&list->lock);\n    struct heap *heap = list->first;",
        "    struct heap *heap = list->first;\n    (void)load_rlx(&list->count);",
        "        sub_rlx(&list->count, 1u);\n    }\n    lock_release(&list->lock);", "        sub_rlx(&list->count, 1u);\n    }"),
    row("src/heap/heap_life.c", "an heir does not wait for the sweeper", "door/an_orphan_has_one_heir_or_is_swept",
        "        return false;\n    lock_acquire(&heap->lock);\n    open_door_locked", "        return false;\n    lock_try(&heap->lock);\n    open_door_locked"),
    row("src/heap/heap_life.c", "the sweeper closes the door of a heap that has been left", "door/a_thread_ends_while_its_heap_is_swept",
        "    if (load_rlx(&heap->state) == HEAP_ACTIVE) {", "    {"),
    row("src/heap/heap_life.c", "who waits for the sweeper does not sleep", "door/a_thread_ends_while_its_heap_is_swept",
        "    lock_acquire(&heap->lock);\n    lock_release(&heap->lock);\n", "    (void)heap;\n"),
    row("src/heap/heap_life.c", "a heap is entered in two steps", "heap/two_that_come_at_once_are_both_listed",
        "while (!cas_weak_rel(&heaps_all, &first, entry));", "while (store_rel(&heaps_all, entry), false);"),
    row("src/front/thread.c", "who is refused stays in the door", "door/a_heap_is_its_threads_or_the_sweepers",
        "            return heap;\n        door_leave(door);", "            return heap;"),
    # ---- arenas
    row("arenas/arena.c", "a claim without the lock", "arena/a_slice_has_one_holder",
        "    lock_acquire(&arenas.lock);\n    size_t paid = load_rlx(&arenas.dirty_slices);\n"
        "    struct span *span = claim_locked(slices, align_slices, kind, zeroed);\n    paid -= load_rlx(&arenas.dirty_slices);\n"
        "    uint32_t due = span != NULL ? arena_due_way_locked(slices - (uint32_t)paid) : 0;\n    lock_release(&arenas.lock);",
        "    struct span *span = claim_locked(slices, align_slices, kind, zeroed);\n    uint32_t due = 0;"),
    row("arenas/arena_mapping.c", "a record is entered in two steps", "arena/two_that_map_at_once_lose_no_arena",
        "while (!cas_weak_rel(&arenas.all, &first, arena));", "while (store_rel(&arenas.all, arena), false);"),
    row("arenas/purge.c", "the purger leaves its slices among the free ones",
        "arena/what_is_claimed_is_not_purged arena/two_purgers_and_a_claim",
        "    bitmap_clear_range(arena->free_bits, from, count);\n", ""),
    row("arenas/purge.c", "slices are handed back before they are purged",
        "arena/what_is_claimed_is_not_purged arena/two_purgers_and_a_claim",
        "        bool purged = os_purge_ranges(batch.ranges, batch.count);\n        hand_back(&batch, purged, now_ms);",
        "        bool purged = true;\n        hand_back(&batch, purged, now_ms);\n        os_purge_ranges(batch.ranges, batch.count);"),
    row("arenas/arena_mapping.c", "an arena that goes stays in its list",
        "arena/what_is_claimed_is_not_unmapped arena/two_claims_while_an_arena_goes", "    arena_unlist_locked(arena);\n    sub_rlx",
        "    sub_rlx"),
    row("arenas/arena.c", "only a pool's first slice is entered", "arena/what_is_handed_over_is_found",
        "        page_map_set(span->start, kind == SPAN_POOL ? slices : 1, span);", "        page_map_set(span->start, 1, span);"),
]

PROGRAMS = ("schedule", "schedule_arenas")


class Builder:
    """Recompiles what a mutant changes, and links it with the rest of a program of scenarios."""

    def __init__(self, build, program):
        self.units = {}
        for entry in json.loads((build / "compile_commands.json").read_text()):
            command = shlex.split(entry["command"])
            out = command[command.index("-o") + 1]
            if f"/{program}.dir/" in out:
                self.units[Path(entry["file"])] = (command, Path(entry["directory"]), Path(entry["directory"]) / out)

    def depends(self, unit, header):
        return str(header) in Path(f"{self.units[unit][2]}.d").read_text()

    def compile(self, source, copy, overlay):
        command, directory, _ = self.units[source]
        out = overlay / f"{source.stem}.o"
        command = [command[0], f"-I{overlay}", *command[1:], "-O0", "-g0", "-Wno-error"]
        command[command.index("-o") + 1] = str(out)
        command[command.index("-c") + 1] = str(copy)
        return subprocess.run(command, cwd=directory, capture_output=True, text=True), out

    def build(self, mutant, overlay):
        """The program, or None and why."""
        original = ROOT / mutant.file
        text = original.read_text()
        for old, new in mutant.lines:
            if text.count(old) != 1:
                return None, f"{mutant.file} has {text.count(old)} times: {old}"
            text = text.replace(old, new)
        copy = overlay / mutant.file.removeprefix("include/").removeprefix("src/")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(text)
        changed = {original: copy} if original in self.units else \
            {unit: unit for unit in self.units if self.depends(unit, original)}
        objects = {unit: out for unit, (_, _, out) in self.units.items()}
        for unit, source in changed.items():
            done, objects[unit] = self.compile(unit, source, overlay)
            if done.returncode:
                return None, done.stderr
        program = overlay / "schedule"
        compiler = next(iter(self.units.values()))[0][0]
        done = subprocess.run([compiler, *map(str, objects.values()), "-pthread", "-o", program], capture_output=True, text=True)
        return (program, "") if changed and done.returncode == 0 else (None, done.stderr)


def judge(builders, mutant):
    """For each scenario: (caught, message)."""
    builder = builders[mutant.scenarios[0].startswith("arena/")]
    title = f"{mutant.file}: {mutant.what}"
    with tempfile.TemporaryDirectory() as overlay:
        program, why = builder.build(mutant, Path(overlay))
        if program is None:
            return [(False, f"{title}: {why}")]
        return [run(program, title, scenario) for scenario in mutant.scenarios]


def run(program, title, scenario):
    try:
        done = subprocess.run([program, scenario], capture_output=True, text=True, timeout=TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        return False, f"{title}: {scenario} does not end"
    for line in done.stderr.splitlines():
        if line.startswith(f"[FAIL] {scenario}"):
            return True, f"{title}: {line.removeprefix('[FAIL] ')}"
    return False, f"{title}: not caught by {scenario}\n{done.stdout}{done.stderr}"


def check_rows(build):
    """A scenario that no mutant fails proves nothing."""
    needed = [scenario for mutant in MUTANTS for scenario in mutant.scenarios]
    for program in PROGRAMS:
        listed = subprocess.run([build / "tests/schedule" / program, "--list"], capture_output=True, text=True, check=True)
        for scenario in listed.stdout.split():
            check(any(scenario.startswith(part) for part in needed), f"{scenario}: no mutant for it")


def main():
    build, part = build_dir(), sys.argv[2] if len(sys.argv) > 2 else ""
    builders = [Builder(build, program) for program in PROGRAMS]
    check_rows(build)
    wanted = [mutant for mutant in MUTANTS if part in f"{mutant.file}: {mutant.what}: {' '.join(mutant.scenarios)}"]
    with ThreadPoolExecutor(2) as pool:
        for verdicts in pool.map(lambda mutant: judge(builders, mutant), wanted):
            for caught, message in verdicts:
                if check(caught, message):
                    print(f"caught: {message}")
    finish()


main()
