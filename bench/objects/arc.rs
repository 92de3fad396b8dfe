//! Rust's Arc and Weak. The standard library has no shared slot without a lock: a slot is an RwLock<Arc>.
//! The contract with the driver is in rows.h.

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering::AcqRel, Ordering::Acquire, Ordering::Relaxed};
use std::sync::{Arc, Mutex, RwLock, Weak};
use std::time::Duration;

#[derive(Default)]
#[allow(dead_code)] // what the fields hold is never read
struct Node {
    first: Option<Arc<Node>>,
    second: Option<Arc<Node>>,
    payload: [u64; 2],
}

struct Shared {
    object: Arc<Node>,
    slot: RwLock<Arc<Node>>,
    weak: Weak<Node>,
}

fn run(row: &str, shared: &Shared, operations: usize) {
    match row {
        "retain" | "retain-2" => (0..operations).for_each(|_| drop(black_box(Arc::clone(&shared.object)))),
        "new" => (0..operations).for_each(|_| drop(black_box(Arc::new(Node::default())))),
        "load" | "load-2" => (0..operations).for_each(|_| drop(black_box(load(&shared.slot)))),
        "weak" | "weak-2" => (0..operations).for_each(|_| drop(black_box(shared.weak.upgrade()))),
        _ => panic!("no row {row}"),
    }
}

// The lock is given back before the object is used.
fn load(slot: &RwLock<Arc<Node>>) -> Arc<Node> {
    Arc::clone(&slot.read().unwrap())
}

fn chain(length: usize) -> Option<Arc<Node>> {
    (0..length).fold(None, |first, _| Some(Arc::new(Node { first, ..Node::default() })))
}

#[repr(C)]
struct Timespec {
    seconds: i64,
    nanoseconds: i64,
}

extern "C" {
    fn clock_gettime(clock: i32, now: *mut Timespec) -> i32;
}

fn clock(clock: i32) -> i64 {
    let mut now = Timespec { seconds: 0, nanoseconds: 0 };
    unsafe { clock_gettime(clock, &mut now) };
    now.seconds * 1_000_000_000 + now.nanoseconds
}

const MONOTONIC: i32 = 1;
const PROCESS_CPU: i32 = 2;
const THREAD_CPU: i32 = 3;

fn measure(work: impl FnOnce()) {
    let (wall, cpu) = (clock(MONOTONIC), clock(PROCESS_CPU));
    work();
    let cpu = clock(PROCESS_CPU) - cpu;
    println!("{} {}", clock(MONOTONIC) - wall, cpu);
}

/// As rows_pair_repeat in rows.h.
fn measure_two(row: &str, shared: &Shared, operations: usize, repetitions: usize) {
    let arrivals = AtomicUsize::new(0);
    let meet = |nth| {
        arrivals.fetch_add(1, AcqRel);
        while arrivals.load(Acquire) < 2 * nth {}
    };
    let partner = Mutex::new((0, 0, 0));
    let together = |nth| {
        std::thread::sleep(Duration::from_micros(500));
        meet(2 * nth + 1);
        let (start, cpu) = (clock(MONOTONIC), clock(THREAD_CPU));
        run(row, shared, operations);
        let cpu = clock(THREAD_CPU) - cpu;
        (start, clock(MONOTONIC), cpu)
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for i in 0..repetitions {
                *partner.lock().unwrap() = together(i);
                meet(2 * i + 2);
            }
        });
        for i in 0..repetitions {
            let mine = together(i);
            meet(2 * i + 2);
            let other = *partner.lock().unwrap();
            println!("{} {}", mine.1.max(other.1) - mine.0.min(other.0), mine.2 + other.2);
        }
    });
}

/// Says what was last asked for.
struct Asking;

static ASKED: AtomicUsize = AtomicUsize::new(0);

unsafe impl GlobalAlloc for Asking {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ASKED.store(layout.size(), Relaxed);
        System.alloc(layout)
    }
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        System.dealloc(block, layout)
    }
}

#[global_allocator]
static ALLOCATOR: Asking = Asking;

fn header() -> usize {
    black_box(Arc::new(Node::default()));
    ASKED.load(Relaxed) - std::mem::size_of::<Node>()
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let object = Arc::new(Node::default());
    let weak = Arc::downgrade(&object);
    let shared = Shared { object, slot: RwLock::new(Arc::new(Node::default())), weak };
    std::thread::spawn(|| loop {
        std::thread::park()
    });
    match arguments[1..] {
        ["--list"] => println!("retain\nretain-2\nnew\nload\nload-2\nweak\nweak-2\nchain\nheader"),
        ["header"] => println!("{}", header()),
        [row, operations, repetitions] => {
            let (operations, repetitions) = (operations.parse().unwrap(), repetitions.parse().unwrap());
            if row.ends_with("-2") {
                return measure_two(row, &shared, operations, repetitions);
            }
            for _ in 0..repetitions {
                if row == "chain" {
                    let head = chain(operations);
                    measure(|| drop(head));
                } else {
                    measure(|| run(row, &shared, operations));
                }
            }
        }
        _ => panic!("see rows.h"),
    }
}
