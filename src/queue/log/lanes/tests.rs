//! Lanes in played scenes: an outage, an overload, a reopened log.

use super::super::position::Tally;
use super::*;

const TICK: Duration = Duration::from_millis(10);

/// A log with one destination, in simulated time: records come in and are delivered at once.
struct Scene {
    lanes: Lanes,
    position: Position,
    recent: Recent,
    now: Duration,
    /// When each sequence was committed, from 1.
    committed: Vec<Duration>,
}

impl Scene {
    fn new(order: Order) -> Self {
        Self {
            lanes: Lanes::new(order),
            position: Position::begin(1, 0),
            recent: Recent::default(),
            now: Duration::ZERO,
            committed: Vec::new(),
        }
    }

    fn head(&self) -> u64 {
        self.committed.len() as u64
    }

    /// One tick in which `records` are committed.
    fn tick(&mut self, records: u64) {
        self.now += TICK;
        if records > 0 {
            self.recent.note(self.now, self.head() + 1);
        }
        self.committed.extend((0..records).map(|_| self.now));
    }

    fn ticks(&mut self, seconds: u64, records_per_tick: u64) {
        for _ in 0..seconds * 100 {
            self.tick(records_per_tick);
        }
    }

    fn pick(&mut self) -> Option<Pick> {
        self.lanes.pick(&self.position, &self.recent, self.head(), self.now)
    }

    /// Leases and delivers up to `most` records; the pick and the age of the oldest of them.
    fn deliver(&mut self, most: u64) -> Option<(Pick, Duration)> {
        let pick = self.pick()?;
        self.lanes.taken(&pick);
        let last = pick.last.min(pick.first + most - 1);
        self.position.lend(pick.first, last);
        self.position.settle(pick.first, Tally::default());
        Some((pick, self.now.checked_sub(self.committed[pick.first as usize - 1]).unwrap()))
    }

    /// The lanes of the next deliveries, as `L` and `B`.
    fn lanes_of(&mut self, deliveries: usize) -> String {
        let lane = |pick: Pick| if pick.lane == Lane::Live { 'L' } else { 'B' };
        (0..deliveries).filter_map(|_| self.deliver(1)).map(|(pick, _)| lane(pick)).collect()
    }
}

#[test]
fn without_a_backlog_all_is_live_and_in_order() {
    let mut scene = Scene::new(Order::default());
    assert_eq!(scene.pick(), None);
    for _ in 0..500 {
        scene.tick(3);
        let (pick, age) = scene.deliver(3).unwrap();
        assert_eq!((pick.last, pick.lane), (scene.head(), Lane::Live));
        assert_eq!(age, Duration::ZERO);
    }
    assert_eq!(scene.position.runs(), 0);
}

#[test]
fn after_an_outage_the_first_lease_is_fresh_and_the_backlog_gets_one_in_five() {
    let mut scene = Scene::new(Order::default());
    scene.ticks(3600, 1);
    let (pick, age) = scene.deliver(1).unwrap();
    assert_eq!(pick.lane, Lane::Live);
    assert!(age <= FRESH, "{age:?}");
    assert_eq!(scene.lanes_of(14), "LLLBLLLLBLLLLB");
    // What is committed now is delivered next but the backlog's turn.
    while scene.position.waiting(scene.lanes.split.unwrap(), scene.head()).is_some() {
        scene.deliver(100);
    }
    scene.tick(1);
    assert_eq!(scene.lanes_of(3), "LBB");
}

#[test]
fn the_backlog_is_delivered_from_its_oldest_and_then_the_split_is_gone() {
    let mut scene = Scene::new(Order::default());
    scene.ticks(100, 1);
    let mut next_old = 1;
    while let Some((pick, _)) = scene.deliver(7) {
        if pick.lane == Lane::Backlog {
            assert_eq!(pick.first, next_old);
            next_old = pick.last.min(pick.first + 6) + 1;
        }
    }
    assert_eq!(scene.position.low(), scene.head() + 1);
    scene.tick(1);
    assert_eq!(scene.pick().unwrap().lane, Lane::Live);
    assert_eq!((scene.lanes.split, scene.position.runs()), (None, 0));
}

#[test]
fn a_pick_that_is_not_used_counts_no_turn() {
    let mut scene = Scene::new(Order::FreshFirst { share: 1 });
    scene.ticks(10, 1);
    let first = scene.pick();
    for _ in 0..5 {
        assert_eq!(scene.pick(), first);
    }
    assert_eq!(scene.lanes_of(4), "LBLB");
}

#[test]
fn the_share_is_as_configured() {
    for (share, lanes) in
        [(0, "LBLBLBLB"), (1, "LBLBLBLB"), (2, "LLBLLBLL"), (4, "LLLLBLLL"), (7, "LLLLLLLB")]
    {
        let mut scene = Scene::new(Order::FreshFirst { share });
        scene.ticks(10, 1);
        assert_eq!(scene.lanes_of(8), lanes, "{share}");
    }
}

#[test]
fn live_begins_again_when_both_lanes_have_work_again() {
    let mut scene = Scene::new(Order::default());
    scene.ticks(10, 1);
    scene.ticks(1, 0);
    // Nothing came in within the last second: what is younger than two counts as fresh.
    assert_eq!(scene.lanes_of(7), "LLLLBLL");
    while scene.position.waiting(scene.lanes.split.unwrap(), scene.head()).is_some() {
        scene.deliver(1);
    }
    // However often the backlog is served alone, live begins when there is something again.
    assert_eq!(scene.lanes_of(2), "BB");
    scene.tick(6);
    assert_eq!(scene.lanes_of(6), "LLLLBL");
}

#[test]
fn fifo_is_oldest_first_whatever_its_age() {
    let mut scene = Scene::new(Order::Fifo);
    scene.ticks(10, 1);
    for first in [1, 4, 7] {
        scene.tick(1);
        let (pick, _) = scene.deliver(3).unwrap();
        assert_eq!((pick.first, pick.last, pick.lane), (first, scene.head(), Lane::Live));
    }
}

#[test]
fn what_a_reopened_log_holds_is_backlog() {
    let mut scene = Scene::new(Order::default());
    scene.committed = vec![Duration::ZERO; 1000];
    assert_eq!(scene.pick().unwrap().lane, Lane::Backlog);
    scene.tick(5);
    let pick = scene.pick().unwrap();
    assert_eq!((pick.first, pick.last, pick.lane), (1001, 1005, Lane::Live));
}

#[test]
fn what_is_released_behind_the_live_lane_is_delivered() {
    let mut scene = Scene::new(Order::default());
    scene.tick(3);
    scene.position.lend(1, 3);
    scene.ticks(5, 1);
    while scene.deliver(100).is_some() {}
    assert_eq!(scene.lanes.split, None);
    scene.position.release(1);
    let (pick, _) = scene.deliver(100).unwrap();
    assert_eq!((pick.first, pick.last, pick.lane), (1, 3, Lane::Backlog));
    assert_eq!(scene.position.runs(), 0);
}

#[test]
fn twice_as_much_as_is_delivered_leaves_fresh_ones_fresh_and_memory_bounded() {
    let mut scene = Scene::new(Order::default());
    let mut most_runs = 0;
    // Twenty minutes: ten records come in a tick, five are delivered.
    for _ in 0..20 * 60 * 100 {
        scene.tick(10);
        let (pick, age) = scene.deliver(5).unwrap();
        if pick.lane == Lane::Live {
            assert!(age <= LAG + Duration::from_millis(200), "{age:?} at {:?}", scene.now);
        }
        most_runs = most_runs.max(scene.position.runs());
    }
    assert!((100..RUNS_MAX).contains(&most_runs), "{most_runs}");
}

#[test]
fn the_split_stays_where_it_is_once_there_are_too_many_runs() {
    let mut scene = Scene::new(Order::default());
    scene.tick(4 * RUNS_MAX as u64);
    for run in 1..=RUNS_MAX as u64 {
        scene.position.pass(2 * run, 2 * run, Tally::default());
    }
    scene.tick(1);
    let fresh = scene.head();
    scene.ticks(3, 0);
    assert_eq!(scene.position.runs(), RUNS_MAX);
    scene.lanes.split = Some(fresh);
    scene.ticks(3, 1);
    assert_eq!(scene.pick().unwrap().first, fresh, "late, and still live");
    scene.deliver(1);
    // The backlog closes a gap, and the split moves up again.
    scene.position.pass(1, 1, Tally::default());
    scene.position.pass(3, 3, Tally::default());
    let (pick, age) = scene.deliver(1).unwrap();
    assert!(pick.lane == Lane::Live && age <= FRESH, "{pick:?} {age:?}");
}

#[test]
fn times_of_commits_are_kept_for_five_seconds_and_to_a_tenth_of_one() {
    let mut recent = Recent::default();
    let at = Duration::from_millis;
    assert_eq!(recent.since(at(0), 1), 1);
    for n in 0..2000 {
        recent.note(at(n * 10), n + 1);
    }
    // Marks lie at 0, 100, 200 ms, and so on, until 19,900.
    for (asked, found) in
        [(19_900, 1991), (19_901, 2001), (19_800, 1981), (19_701, 1981), (15_000, 1501)]
    {
        assert_eq!(recent.since(at(asked), 2001), found, "{asked}");
    }
    assert!(recent.since(at(0), 2001) >= 1481, "the first seconds are forgotten");
    recent.note(at(100_000), 3000);
    assert_eq!(recent, {
        let mut only = Recent::default();
        only.note(at(100_000), 3000);
        only
    });
}
