//! How much of a whole run is left: from the plan of its stages, corrected by what they turn out to take.

use crate::pipeline::progress::{PlannedStage, Stage};

/// From this share of its units on, a stage is judged by its own speed alone; before, the planned one counts too.
const ENOUGH: f64 = 0.2;

/// A stage that is planned to take fewer seconds than this says nothing about the speed of the others: what it takes beyond its
/// planned moment is not work.
const TELLING: f64 = 1.0;

/// How far a run is. Times are in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Known {
    /// Since the run, or a stage before it, began.
    pub(super) elapsed: f64,
    /// The share of the time that has passed; it never falls.
    pub(super) done: Option<f64>,
    /// What is left.
    pub(super) left: Option<f64>,
}

/// The stages of a run, those that are done, the running one and those to come.
#[derive(Default)]
pub(super) struct Estimate {
    begun: Option<f64>,
    tasks: Vec<Task>,
    /// Whether `tasks` are those of a plan.
    is_planned: bool,
    /// The task that is running.
    running: Option<usize>,
    /// The first task that has not begun.
    next: usize,
    /// The largest share that was said.
    most: f64,
    /// How many times their planned seconds the stages of an earlier plan took.
    paces: Vec<(Stage, f64)>,
}

/// One stage of the run.
struct Task {
    stage: Stage,
    /// Seconds that it should take by the plan.
    planned: f64,
    /// The same, corrected by what earlier tasks of its stage took.
    expected: f64,
    /// Units that the plan is about, then those of the stage itself.
    units: Option<u64>,
    done: u64,
    began: f64,
    /// When the last unit was done.
    advanced: f64,
    /// Seconds that it took.
    took: Option<f64>,
}

impl Task {
    fn new(stage: Stage, planned: f64, units: Option<u64>) -> Self {
        Self { stage, planned, expected: planned, units, done: 0, began: 0.0, advanced: 0.0, took: None }
    }

    /// The seconds that a running task still takes; `None` where nothing says it.
    fn left(&self, now: f64) -> Option<f64> {
        let elapsed = now - self.began;
        let Some(units) = self.units.filter(|units| *units > 0).map(|units| units as f64) else {
            return (self.expected > 0.0).then(|| (self.expected - elapsed).max(0.0));
        };
        if self.done == 0 {
            // Where not even the first unit is done in time, at most half is.
            return (self.expected > 0.0).then(|| (self.expected - elapsed).max(elapsed));
        }
        let done = self.done as f64;
        let measured = (self.advanced - self.began) / done;
        let trust = if self.expected > 0.0 { (done / units / ENOUGH).min(1.0) } else { 1.0 };
        let unit = trust * measured + (1.0 - trust) * self.expected / units;
        let to_come = (units - done).max(0.0);
        // The time since the last unit is part of the next one, at most all of it.
        Some((unit * to_come - (now - self.advanced).min(unit)).max(0.0))
    }

    /// Whether it is long enough to tell how fast the machine is.
    fn is_telling(&self) -> bool {
        self.planned >= TELLING
    }

    /// The seconds that a task takes in all, as far as its own work tells it.
    fn measured(&self, now: f64) -> Option<f64> {
        self.took.or_else(|| Some(now - self.began + self.left(now).filter(|_| self.done > 0)?))
    }
}

impl Estimate {
    /// What is ahead of the run, which begins now.
    pub(super) fn planned(&mut self, now: f64, stages: &[PlannedStage]) {
        let tasks = stages.iter().map(|own| Task::new(own.stage, own.seconds, own.units)).collect();
        *self = Self { begun: Some(now), tasks, is_planned: !stages.is_empty(), ..self.of_next_run(now) };
    }

    /// What is known of a run that will begin: how fast its stages went in the runs before it.
    pub(super) fn of_next_run(&self, now: f64) -> Self {
        let own = self.tasks.iter().filter_map(|task| {
            let pace = self.measured_pace(now, |other| other.stage == task.stage && other.is_telling());
            Some((task.stage, pace?))
        });
        Self { paces: own.chain(self.paces.iter().copied()).collect(), ..Self::default() }
    }

    /// Whether what is left is that of the whole run, and not of its running stage alone.
    pub(super) fn is_planned(&self) -> bool {
        self.is_planned
    }

    /// A stage begins. One that is not planned comes before the next that is.
    pub(super) fn started(&mut self, now: f64, stage: Stage, units: Option<u64>) {
        self.begun.get_or_insert(now);
        let planned = (self.next..self.tasks.len()).find(|index| self.tasks[*index].stage == stage);
        let index = planned.unwrap_or_else(|| {
            self.tasks.insert(self.next, Task::new(stage, 0.0, None));
            self.next
        });
        let pace = self.pace(stage, now);
        let task = &mut self.tasks[index];
        if let (Some(planned), Some(own)) = (task.units.filter(|units| *units > 0), units) {
            // What an interrupted run has done already is not done again.
            task.planned *= own as f64 / planned as f64;
        }
        task.expected = task.planned * pace;
        task.units = units.or(task.units);
        (task.began, task.advanced) = (now, now);
        self.running = Some(index);
        self.next = index + 1;
    }

    /// The running stage has finished more of its units.
    pub(super) fn advanced(&mut self, now: f64, units: u64) {
        if let Some(task) = self.running.map(|index| &mut self.tasks[index]) {
            task.done += units;
            task.advanced = now;
        }
    }

    /// The running stage has ended.
    pub(super) fn ended(&mut self, now: f64, stage: Stage) {
        let running = self.running.filter(|index| self.tasks[*index].stage == stage);
        if let Some(task) = running.map(|index| &mut self.tasks[index]) {
            task.took = Some(now - task.began);
            self.running = None;
        }
    }

    /// How far the run is now.
    pub(super) fn at(&mut self, now: f64) -> Known {
        let elapsed = now - self.begun.unwrap_or(now);
        let Some(left) = self.left(now) else { return Known { elapsed, done: None, left: None } };
        let share = if elapsed + left > 0.0 { elapsed / (elapsed + left) } else { 0.0 };
        self.most = self.most.max(share);
        Known { elapsed, done: Some(self.most), left: Some(left) }
    }

    /// The seconds of the running stage, and of those to come.
    fn left(&self, now: f64) -> Option<f64> {
        let running = match self.running {
            Some(index) => self.tasks[index].left(now),
            None => Some(0.0),
        };
        if !self.is_planned {
            return self.running.and(running);
        }
        let to_come: f64 = self.tasks[self.next..].iter().map(|task| task.planned * self.pace(task.stage, now)).sum();
        Some(running.unwrap_or_default() + to_come)
    }

    /// How many times their planned seconds the begun tasks of a stage take. Where none of them is measured yet, those of the run before
    /// this one tell it, or else the others tell how slow the machine is; the forward pass, whose speed depends on the instructions of the processor most, only where it is
    /// slower than planned, and where nothing else is known.
    fn pace(&self, stage: Stage, now: f64) -> f64 {
        let own = self.measured_pace(now, |task| task.stage == stage);
        let before = || self.paces.iter().find(|(own, _)| *own == stage).map(|(_, pace)| *pace);
        let after_it = || self.measured_pace(now, |task| task.stage != Stage::ForwardPass && task.is_telling());
        let forward = || {
            let pace = self.measured_pace(now, |task| task.stage == Stage::ForwardPass && task.is_telling());
            pace.map(|pace| pace.max(1.0))
        };
        own.or_else(before).or_else(after_it).or_else(forward).unwrap_or(1.0)
    }

    /// The seconds of the measured ones among some begun tasks over those of the plan; `None` where none is measured.
    fn measured_pace(&self, now: f64, is_meant: impl Fn(&Task) -> bool) -> Option<f64> {
        let begun = self.tasks[..self.next].iter().filter(|task| is_meant(task) && task.planned > 0.0);
        let measured = begun.filter_map(|task| Some((task.measured(now)?, task.planned)));
        let (took, planned) = measured.fold((0.0, 0.0), |sum, (took, planned)| (sum.0 + took, sum.1 + planned));
        (planned > 0.0).then(|| took / planned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stage as it really goes: its planned seconds, and the seconds of each of its units.
    type Real = (Stage, f64, Vec<f64>);

    /// Goes through a run with a clock of its own; returns the true and the said remaining time every tenth of a second.
    fn followed(stages: &[Real]) -> Vec<(f64, f64, f64)> {
        let mut estimate = Estimate::default();
        let plan: Vec<PlannedStage> = stages
            .iter()
            .map(|(stage, seconds, units)| PlannedStage {
                stage: *stage,
                seconds: *seconds,
                units: Some(units.len() as u64),
            })
            .collect();
        let total: f64 = stages.iter().flat_map(|(_, _, units)| units).sum();
        let (mut now, mut said) = (0.0, Vec::new());
        estimate.planned(now, &plan);
        for (stage, _, units) in stages {
            estimate.started(now, *stage, Some(units.len() as u64));
            for unit in units {
                let end = now + unit;
                while now + 0.1 < end {
                    now += 0.1;
                    said.push((now / total, total - now, estimate.at(now).left.unwrap()));
                }
                now = end;
                estimate.advanced(now, 1);
            }
            estimate.ended(now, *stage);
        }
        assert!(estimate.at(now).left.unwrap() < 1e-9 && estimate.at(now).done.unwrap() > 0.999);
        said
    }

    /// The largest relative error after some share of the run, where at least a second is left.
    fn worst(said: &[(f64, f64, f64)], from: f64) -> f64 {
        let late = said.iter().filter(|(share, left, _)| *share >= from && *left >= 1.0);
        late.map(|(_, left, told)| (told - left).abs() / left).fold(0.0, f64::max)
    }

    #[test]
    fn a_plan_that_is_right_but_for_the_forward_pass_is_right_after_a_fifth() {
        // As the demonstration goes: 10 s of forward pass, 11 s of statistics in three layers, 1.5 s of charts.
        let run = [
            (Stage::ForwardPass, 30.0, vec![10.0 / 60.0; 60]),
            (Stage::Statistics, 11.0, vec![3.6, 3.7, 3.7]),
            (Stage::Charts, 1.5, vec![0.05; 30]),
        ];
        let said = followed(&run);
        assert!(worst(&said, 0.2) < 0.25, "{}", worst(&said, 0.2));
    }

    #[test]
    fn later_passes_and_layers_follow_the_first_ones() {
        let passes = (0..7).map(|_| (Stage::ForwardPass, 1.0, vec![0.5; 6]));
        let run: Vec<Real> = passes.chain([(Stage::Statistics, 3.0, vec![3.0; 3])]).collect();
        assert!(worst(&followed(&run), 0.2) < 0.25, "passes take three times the plan, and so do the statistics");
        let passes = (0..7).map(|_| (Stage::ForwardPass, 3.0, vec![0.1; 6]));
        let run: Vec<Real> = passes.chain([(Stage::Statistics, 3.0, vec![1.0; 3])]).collect();
        assert!(worst(&followed(&run), 0.2) < 0.25, "fast passes say nothing about the statistics");
        // Statistics alone, on a machine that is three times slower than the plan's: known once the first of 24 layers is done.
        let run = [(Stage::Statistics, 80.0, vec![10.0; 24])];
        let said = followed(&run);
        assert!(worst(&said, 0.2) < 0.15, "{}", worst(&said, 0.2));
        assert!(worst(&said, 0.0) > 0.5, "the plan alone was wrong");
    }

    #[test]
    fn where_everything_is_three_times_slower_the_first_stages_tell_it_of_the_last_ones() {
        let slow = |seconds: f64, units: usize| vec![3.0 * seconds / units as f64; units];
        let run = [
            (Stage::ForwardPass, 10.0, slow(10.0, 60)),
            (Stage::Statistics, 11.0, slow(11.0, 3)),
            (Stage::Charts, 1.5, slow(1.5, 30)),
        ];
        let said = followed(&run);
        assert!(worst(&said, 0.2) < 0.25, "{}", worst(&said, 0.2));
        assert!(worst(&said, 0.0) > 0.5, "the plan alone was wrong");
    }

    #[test]
    fn a_run_after_another_goes_as_fast() {
        let plan = [(Stage::ForwardPass, 10.0), (Stage::Statistics, 4.0)].map(|(stage, seconds)| PlannedStage {
            stage,
            seconds,
            units: None,
        });
        let mut estimate = Estimate::default();
        estimate.planned(0.0, &plan);
        for (stage, from, to) in [(Stage::ForwardPass, 0.0, 2.0), (Stage::Statistics, 2.0, 8.0)] {
            estimate.started(from, stage, None);
            estimate.ended(to, stage);
        }
        estimate.planned(8.0, &plan);
        assert_eq!(estimate.at(8.0).left, Some(2.0 + 6.0));
        // What is measured in a later run counts before what was measured in an earlier one.
        estimate.started(8.0, Stage::ForwardPass, None);
        estimate.ended(13.0, Stage::ForwardPass);
        estimate.planned(13.0, &plan);
        assert_eq!(estimate.at(13.0).left, Some(5.0 + 6.0));
    }

    #[test]
    fn a_stage_of_a_moment_does_not_judge_the_others() {
        let mut estimate = Estimate::default();
        let plan = [(Stage::ForwardPass, 1e-6), (Stage::Statistics, 1e-5), (Stage::Charts, 2.0)];
        estimate.planned(0.0, &plan.map(|(stage, seconds)| PlannedStage { stage, seconds, units: None }));
        estimate.started(0.0, Stage::ForwardPass, None);
        estimate.ended(0.4, Stage::ForwardPass);
        estimate.started(0.4, Stage::Statistics, None);
        estimate.ended(0.9, Stage::Statistics);
        let left = estimate.at(0.9).left.unwrap();
        assert!((left - 2.0).abs() < 1e-6, "two tokens took a second, which makes no hours of charts: {left}");
    }

    #[test]
    fn the_share_never_falls_and_a_long_first_unit_is_noticed() {
        let mut estimate = Estimate::default();
        let plan = [PlannedStage { stage: Stage::Statistics, seconds: 10.0, units: Some(10) }];
        estimate.planned(0.0, &plan);
        estimate.started(0.0, Stage::Statistics, None);
        let shares: Vec<f64> = (1..40).map(|second| estimate.at(f64::from(second)).done.unwrap()).collect();
        assert!(shares.windows(2).all(|pair| pair[0] <= pair[1]));
        // After 39 s the first of ten units is still not done.
        assert_eq!(estimate.at(39.0).left, Some(39.0));
    }

    #[test]
    fn a_stage_without_a_plan_says_what_its_units_say() {
        let mut estimate = Estimate::default();
        estimate.started(5.0, Stage::Weights, Some(100));
        assert_eq!(estimate.at(6.0), Known { elapsed: 1.0, done: None, left: None });
        estimate.advanced(7.0, 25);
        assert_eq!(estimate.at(7.0), Known { elapsed: 2.0, done: Some(0.25), left: Some(6.0) });
        estimate.ended(13.0, Stage::Weights);
        // The run itself begins after it.
        estimate.planned(20.0, &[PlannedStage { stage: Stage::ForwardPass, seconds: 8.0, units: Some(8) }]);
        assert_eq!(estimate.at(20.0), Known { elapsed: 0.0, done: Some(0.0), left: Some(8.0) });
    }

    #[test]
    fn what_is_done_already_and_what_is_not_planned_does_not_disturb() {
        let mut estimate = Estimate::default();
        let plan = [
            PlannedStage { stage: Stage::ForwardPass, seconds: 100.0, units: Some(100) },
            PlannedStage { stage: Stage::Statistics, seconds: 5.0, units: Some(5) },
        ];
        estimate.planned(0.0, &plan);
        estimate.started(0.0, Stage::ForwardPass, Some(10));
        assert_eq!(estimate.at(0.0).left, Some(15.0), "90 of 100 units are there already");
        estimate.ended(10.0, Stage::ForwardPass);
        estimate.started(10.0, Stage::Weights, None);
        assert_eq!(estimate.at(11.0).left, Some(5.0));
        estimate.ended(12.0, Stage::Weights);
        estimate.started(12.0, Stage::Statistics, None);
        assert_eq!(estimate.at(12.0).left, Some(5.0));
        // A stage that was planned and never began is passed over.
        let mut estimate = Estimate::default();
        estimate.planned(0.0, &plan);
        estimate.started(0.0, Stage::Statistics, Some(5));
        assert_eq!(estimate.at(0.0).left, Some(5.0));
    }
}
