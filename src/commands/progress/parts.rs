//! Several runs one after the other as one: what is left of all of them.

use super::estimate::Known;

/// One of several runs.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::commands) struct Part {
    /// Such as "2 of 3: drift".
    pub(in crate::commands) name: String,
    /// The share of the time of all that it takes, as measured before.
    pub(in crate::commands) share: f64,
}

/// The runs that are over, and the one that goes on; none for a run by itself.
#[derive(Debug, Default)]
pub(super) struct Parts {
    name: String,
    /// Of the run that goes on: its share of the whole, and when it began.
    share: f64,
    began: f64,
    /// Of those before it: their share, and when the first began.
    over: f64,
    first: Option<f64>,
    /// The largest share of the whole that was said.
    most: f64,
}

impl Parts {
    /// The next run begins.
    pub(super) fn begin(&mut self, now: f64, part: &Part) {
        self.over += self.share;
        (self.name, self.share, self.began) = (part.name.clone(), part.share, now);
        self.first.get_or_insert(now);
    }

    /// The name of the run that goes on; empty for one by itself.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// What is known of the whole, from what is known of the run that goes on, if that has a plan: the runs to come are as fast for
    /// their share as those before them and the one that goes on.
    pub(super) fn of_whole(&mut self, now: f64, own: Known, is_planned: bool) -> Known {
        let Some(first) = self.first else { return own };
        let (elapsed, of_this, before) = (now - first, now - self.began, self.began - first);
        // Before a run has a plan, the runs before it tell what it takes.
        let by_share = (self.over > 0.0).then(|| (before / self.over * self.share - of_this).max(0.0));
        let Some(left_of_this) = own.left.filter(|_| is_planned).or(by_share) else {
            return Known { elapsed, done: None, left: None };
        };
        let seconds_of_whole = (before + of_this + left_of_this) / (self.over + self.share);
        let to_come = (1.0 - self.over - self.share).max(0.0);
        let left = left_of_this + to_come * seconds_of_whole;
        let share = if elapsed + left > 0.0 { elapsed / (elapsed + left) } else { 0.0 };
        self.most = self.most.max(share);
        Known { elapsed, done: Some(self.most), left: Some(left) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(name: &str, share: f64) -> Part {
        Part { name: name.to_owned(), share }
    }

    fn left(seconds: f64) -> Known {
        Known { elapsed: 0.0, done: None, left: Some(seconds) }
    }

    const UNKNOWN: Known = Known { elapsed: 0.0, done: None, left: None };

    #[test]
    fn a_run_by_itself_is_the_whole() {
        assert_eq!(Parts::default().of_whole(5.0, left(3.0), true), left(3.0));
    }

    #[test]
    fn the_runs_to_come_are_as_slow_as_those_before_them() {
        let mut parts = Parts::default();
        parts.begin(10.0, &part("1 of 3", 0.25));
        assert_eq!(parts.of_whole(12.0, UNKNOWN, false), Known { elapsed: 2.0, done: None, left: None });
        // 30 seconds for a quarter: 120 for all.
        assert_eq!(
            parts.of_whole(20.0, left(20.0), true),
            Known { elapsed: 10.0, done: Some(10.0 / 120.0), left: Some(110.0) }
        );
        // The stage before the plan ends soon, which says nothing about the rest.
        assert_eq!(parts.of_whole(21.0, left(0.0), false).done, None);
        // It took 60: all takes 240, the second 60 of them, before it has a plan of its own.
        parts.begin(70.0, &part("2 of 3", 0.25));
        let known = parts.of_whole(80.0, UNKNOWN, false);
        assert_eq!((known.elapsed, known.left), (70.0, Some(170.0)));
        parts.begin(130.0, &part("3 of 3", 0.5));
        // The last one says itself what is left.
        let known = parts.of_whole(150.0, left(20.0), true);
        assert_eq!((parts.name(), known.left), ("3 of 3", Some(20.0)));
        assert!(known.done.unwrap() > 0.85);
        // A share that was said is never taken back.
        assert_eq!(parts.of_whole(150.0, left(200.0), true).done, known.done);
    }
}
