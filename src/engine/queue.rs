//! The one queue that all workers of an attempt take their chunks from.
//!
//! A unit (one chunk, or several that must go together) is pending, taken by a worker, or loaded
//! by a worker. What a worker has loaded stays tied to it until the run commits: when the worker
//! loses a connection its transaction is undone, and all it took or loaded becomes pending again.
//! Pure; the waiting is in [`SharedQueue`].

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

use super::plan::Unit;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Pending,
    Taken(u32),
    Loaded(u32),
}

/// What a worker that asks for work gets.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// This unit.
    Unit(Unit),
    /// Nothing at the moment: every pending unit is in a stream that is at its fan-out, or others
    /// are still loading and may lose what they have.
    Wait,
    /// Every unit is loaded.
    AllLoaded,
}

/// The queue's state machine.
#[derive(Debug)]
pub struct Queue {
    units: Vec<Unit>,
    states: Vec<State>,
    fan_out: Vec<u32>,
}

impl Queue {
    /// A queue of these units, handed out in this order; `fan_out` by stream.
    #[must_use]
    pub fn new(units: Vec<Unit>, fan_out: Vec<u32>) -> Self {
        let states = vec![State::Pending; units.len()];
        Self {
            units,
            states,
            fan_out,
        }
    }

    /// The next unit for this worker.
    pub fn take(&mut self, worker: u32) -> Next {
        if self
            .states
            .iter()
            .all(|state| matches!(state, State::Loaded(_)))
        {
            return Next::AllLoaded;
        }
        let open = (0..self.units.len()).find(|&i| {
            self.states[i] == State::Pending && self.units[i].streams().all(|s| self.has_room(s))
        });
        let Some(i) = open else { return Next::Wait };
        self.states[i] = State::Taken(worker);
        Next::Unit(self.units[i].clone())
    }

    fn has_room(&self, stream: usize) -> bool {
        let inside: BTreeSet<u32> = self
            .states
            .iter()
            .zip(&self.units)
            .filter_map(|(state, unit)| match state {
                State::Taken(worker) if unit.streams().any(|s| s == stream) => Some(*worker),
                _ => None,
            })
            .collect();
        (inside.len() as u32) < self.fan_out[stream]
    }

    /// The worker has moved the unit; it counts once the worker commits.
    pub fn loaded(&mut self, worker: u32, unit: usize) {
        if let Some(i) = self.units.iter().position(|u| u.id == unit) {
            debug_assert_eq!(self.states[i], State::Taken(worker));
            self.states[i] = State::Loaded(worker);
        }
    }

    /// The worker's transaction is undone: all it took or loaded is pending again.
    /// Returns how many units that were.
    pub fn requeue(&mut self, worker: u32) -> usize {
        let mut count = 0;
        for state in &mut self.states {
            if matches!(state, State::Taken(w) | State::Loaded(w) if *w == worker) {
                *state = State::Pending;
                count += 1;
            }
        }
        count
    }

    /// The units this worker has loaded.
    #[cfg(test)]
    pub fn loaded_by(&self, worker: u32) -> Vec<Unit> {
        self.states
            .iter()
            .zip(&self.units)
            .filter(|(state, _)| **state == State::Loaded(worker))
            .map(|(_, unit)| unit.clone())
            .collect()
    }
}

/// The queue as workers share it.
#[derive(Debug)]
pub struct SharedQueue {
    queue: Mutex<Queue>,
    changed: Notify,
}

impl SharedQueue {
    /// Shares a queue.
    #[must_use]
    pub fn new(queue: Queue) -> Self {
        Self {
            queue: Mutex::new(queue),
            changed: Notify::new(),
        }
    }

    fn with<T>(&self, change: impl FnOnce(&mut Queue) -> T) -> T {
        change(&mut self.queue.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The next unit, waiting for one if need be; `None` when every unit is loaded.
    pub async fn take(&self, worker: u32) -> Option<Unit> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // registered before the look, so that a change in between is not missed
            changed.as_mut().enable();
            match self.with(|queue| queue.take(worker)) {
                Next::Unit(unit) => return Some(unit),
                Next::AllLoaded => return None,
                Next::Wait => changed.await,
            }
        }
    }

    /// See [`Queue::loaded`].
    pub fn loaded(&self, worker: u32, unit: usize) {
        self.with(|queue| queue.loaded(worker, unit));
        self.changed.notify_waiters();
    }

    /// See [`Queue::requeue`].
    pub fn requeue(&self, worker: u32) -> usize {
        let count = self.with(|queue| queue.requeue(worker));
        self.changed.notify_waiters();
        count
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::engine::plan::Chunk;

    fn units(streams: &[usize]) -> Vec<Unit> {
        streams
            .iter()
            .enumerate()
            .map(|(id, &stream)| Unit {
                id,
                chunks: vec![Chunk::whole(stream, 10)],
            })
            .collect()
    }

    fn taken(next: Next) -> usize {
        match next {
            Next::Unit(unit) => unit.id,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_stream_at_its_fan_out_is_passed_over() {
        let mut queue = Queue::new(units(&[0, 0, 1]), vec![1, 1]);
        assert_eq!(taken(queue.take(0)), 0);
        assert_eq!(taken(queue.take(1)), 2);
        assert_eq!(queue.take(2), Next::Wait);
        queue.loaded(0, 0);
        assert_eq!(taken(queue.take(2)), 1);
    }

    #[test]
    fn a_lost_worker_gives_back_what_it_had_loaded_too() {
        let mut queue = Queue::new(units(&[0, 0, 0]), vec![2]);
        let first = taken(queue.take(0));
        queue.loaded(0, first);
        queue.take(0);
        queue.take(1);
        assert_eq!(queue.requeue(0), 2);
        assert_eq!(taken(queue.take(1)), 0);
    }

    proptest! {
        /// However workers take, finish and fail, in the end every unit is loaded exactly once.
        #[test]
        fn every_unit_is_loaded_by_exactly_one_worker(
            streams in prop::collection::vec(0usize..3, 1..30),
            fan_out in prop::collection::vec(1u32..4, 3),
            steps in prop::collection::vec((0u32..5, 0u8..10), 0..300),
        ) {
            let total = streams.len();
            let mut queue = Queue::new(units(&streams), fan_out.clone());
            let mut held: Vec<Option<usize>> = vec![None; 6];
            for (worker, action) in steps.into_iter().chain((0..2000).map(|_| (5, 9))) {
                let slot = worker as usize;
                if action == 0 {
                    queue.requeue(worker);
                    held[slot] = None;
                } else if let Some(unit) = held[slot].take() {
                    queue.loaded(worker, unit);
                } else if let Next::Unit(unit) = queue.take(worker) {
                    held[slot] = Some(unit.id);
                }
                for (stream, &limit) in fan_out.iter().enumerate() {
                    let inside = held.iter().flatten().filter(|&&u| streams[u] == stream).count();
                    prop_assert!(inside <= limit as usize);
                }
                if worker == 5 {
                    // the others finish what they hold, so that the last worker can end the run
                    for (w, slot) in held.iter_mut().enumerate().take(5) {
                        if let Some(unit) = slot.take() {
                            queue.loaded(w as u32, unit);
                        }
                    }
                }
            }
            prop_assert_eq!(queue.take(5), Next::AllLoaded);
            let loaded: usize = (0..6).map(|w| queue.loaded_by(w).len()).sum();
            prop_assert_eq!(loaded, total);
        }
    }
}
