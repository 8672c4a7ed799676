//! Closed forms and identities that the paper's numbers must satisfy, whatever model they came from.

use serde::Serialize;

use super::{
    figures::{BUCKETS, DropCurve, EXPERTS, Paper, TOP_K},
    spread::noise_share,
};
use crate::{
    routing::View,
    stats::{routing_noise_variance, routing_std_ceiling},
};

/// How a number is compared with the expected one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// Equal to it within the tolerance.
    Near,
    /// At most the expected number plus the tolerance.
    AtMost,
    /// At least the expected number minus the tolerance.
    AtLeast,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Check {
    /// Figures of the paper that it is about.
    pub figure: &'static str,
    /// What must hold.
    pub claim: String,
    /// How `found` is compared with `expected`.
    pub rule: Rule,
    /// The number that follows from the closed form, or was read independently.
    pub expected: f64,
    /// The number that the paper's data give.
    pub found: f64,
    /// How far the number may be off.
    pub tolerance: f64,
    /// Whether it holds.
    pub holds: bool,
    /// What the check means.
    pub note: String,
}

impl Check {
    /// Makes a check and decides whether it holds; it never does if a number is not finite.
    pub fn new(
        figure: &'static str,
        claim: impl Into<String>,
        rule: Rule,
        expected: f64,
        found: f64,
        tol: f64,
    ) -> Self {
        let holds = match rule {
            Rule::Near => (found - expected).abs() <= tol,
            Rule::AtMost => found <= expected + tol,
            Rule::AtLeast => found >= expected - tol,
        };
        Self { figure, claim: claim.into(), rule, expected, found, tolerance: tol, holds, note: String::new() }
    }

    fn near(figure: &'static str, claim: impl Into<String>, expected: f64, found: f64, tolerance: f64) -> Self {
        Self::new(figure, claim, Rule::Near, expected, found, tolerance)
    }

    fn at_most(figure: &'static str, claim: impl Into<String>, expected: f64, found: f64, tolerance: f64) -> Self {
        Self::new(figure, claim, Rule::AtMost, expected, found, tolerance)
    }

    fn note(self, note: impl Into<String>) -> Self {
        Self { note: note.into(), ..self }
    }
}

/// Half a unit of the last digit with which closed forms are given.
const DIGIT: f64 = 5e-7;
/// The approximate accuracy of coordinates in the figures.
const COORDINATE: f64 = 1e-5;
/// Drops of the buckets of Figure 12, counted independently of this program.
const DROPPED: [(&str, [f64; 5]); 5] = [
    ("12a RedPajama", [508.0, 171.0, 194.0, 154.0, 433.0]),
    ("12a TheStack", [1292.0, 896.0, 609.0, 346.0, 1023.0]),
    ("12a TED", [728.0, 1864.0, 8019.0, 7682.0, 1879.0]),
    ("12a MTBench", [165.0, 162.0, 670.0, 304.0, 654.0]),
    ("12b chat", [110.0, 124.0, 695.0, 543.0, 994.0]),
];
/// Overall drop ratios of Figure 12 in percent, as stated with three digits.
const OVERALL: [(&str, f64); 5] =
    [("12a RedPajama", 0.147), ("12a TheStack", 0.765), ("12a TED", 0.992), ("12b raw", 1.37), ("12b chat", 1.61)];

/// All checks.
pub fn checks(paper: &Paper) -> Vec<Check> {
    let mut all = ceilings(paper);
    all.extend(shares(paper));
    all.extend(counts(paper));
    all.extend(drops(paper));
    all.extend(shapes(paper));
    all.extend(noise(paper));
    all
}

/// Checks that no figure is more uneven than routing can be.
fn ceilings(paper: &Paper) -> Vec<Check> {
    let pair = routing_std_ceiling(EXPERTS, TOP_K, View::Chosen);
    let touching = |std: &[f64]| std.iter().filter(|std| (*std - pair).abs() <= COORDINATE).count();
    let highest = |std: &[f64]| largest(std.iter().copied());
    let by_position: Vec<f64> = paper.position_std.iter().map(|(_, std)| *std).collect();
    // The shares are known and not estimated from the sample, so the divisor is n instead of n - 1.
    let floor = routing_noise_variance(1.0 / EXPERTS as f64, 130.0, EXPERTS, TOP_K).sqrt();
    vec![
        Check::near("13, 14", "std ceiling of two choices among 32 experts", 0.121_031, pair, DIGIT)
            .note("both choices always the same pair: sqrt((1/2 - 1/32)/32)"),
        Check::near("13, 14", "std ceiling of the kept view", 0.173_993, routing_std_ceiling(32, 2, View::Kept), DIGIT)
            .note("a single choice left: sqrt((1 - 1/32)/32)"),
        Check::near("14", "noise floor of 129 occurrences, even routing", 0.010_656, floor, DIGIT)
            .note("two distinct choices a token; 0.01083 if they could be the same"),
        Check::at_most("13", "highest std of a position", pair, highest(&by_position), COORDINATE).note(format!(
            "{} of {} vertices touch it (BOS)",
            touching(&by_position),
            by_position.len()
        )),
        Check::at_most("14", "highest std of a token id", pair, highest(&paper.token_std), COORDINATE).note(format!(
            "{} of {} vertices touch it: always the same two experts",
            touching(&paper.token_std),
            paper.token_std.len()
        )),
        Check::new(
            "14",
            "lowest std of a token id is above twice the floor",
            Rule::AtLeast,
            2.0 * floor,
            paper.token_std.iter().copied().fold(f64::NAN, f64::min),
            0.0,
        )
        .note("no token id of Figure 14 looks evenly routed by noise alone"),
    ]
}

/// Checks that shares are fractions of a whole number of assignments.
fn shares(paper: &Paper) -> Vec<Check> {
    let entries = || paper.shares.iter().flat_map(|figure| &figure.categories);
    let off = largest(entries().map(|entry| (entry.share.iter().sum::<f64>() - 1.0).abs()));
    let whole = |entry: &super::figures::Shares| {
        let kept = entry.kept.filter(|kept| *kept < 1000)? as f64;
        Some(largest(entry.share.iter().map(|share| distance_to_whole(share * kept))))
    };
    let parts = largest(entries().filter_map(whole));
    let known = entries().filter_map(whole).count();
    vec![
        Check::at_most("5-11", "shares of a category sum to 1: largest difference", 0.0, off, 2.0 * COORDINATE)
            .note(format!("{} categories, positions and tokens", entries().count())),
        Check::at_most("9, 11", "share x assignments is a whole number: largest difference", 0.0, parts, 0.01)
            .note(format!("{known} categories whose assignments are known and below 1,000")),
        kept_and_dropped(paper),
    ]
}

/// Checks that the kept assignments of Figure 9 and the dropped ones of Figure 12 together give the n of Figure 12.
fn kept_and_dropped(paper: &Paper) -> Check {
    let figures = paper.shares.iter().filter(|figure| figure.figure.starts_with('9'));
    let entries = figures.flat_map(|figure| &figure.categories);
    let differences: Vec<f64> = entries
        .filter_map(|entry| {
            let curve = paper.drop_curve("12a RedPajama")?;
            let position: usize = entry.name.rsplit(' ').next()?.parse().ok()?;
            Some((entry.kept? as f64 - curve.n(position) * (1.0 - curve.at(position))).abs())
        })
        .collect();
    let largest = largest(differences.iter().copied());
    Check::at_most("9, 12", "assignments kept = all x (1 - drop ratio): largest difference", 0.0, largest, 0.01)
        .note(format!("{} positions: Figure 9 is the kept view of the RedPajama sequences", differences.len()))
}

/// Checks the counts behind Figure 11.
fn counts(paper: &Paper) -> Vec<Check> {
    let expected = [("ed", 0.1210), ("an", 0.1030)];
    let course = |token: &str| paper.courses.iter().find(|course| course.token == token);
    let drift = |(token, expected): (&str, f64)| {
        let found = course(token).map_or(f64::NAN, |course| course.drift(0));
        Check::near("11", format!("total variation of \"{token}\", 200B to 1.0T"), expected, found, 5e-5)
            .note(format!("{} assignments at 200B", course(token).map_or(0, |course| course.n(0))))
    };
    expected.into_iter().map(drift).collect()
}

/// Checks the counts behind Figure 12.
fn drops(paper: &Paper) -> Vec<Check> {
    let mut all = vec![whole_drops(paper), same_curve(paper)];
    all.extend(OVERALL.into_iter().map(|(name, percent)| {
        let found = paper.drop_curve(name).map_or(f64::NAN, |curve| 100.0 * curve.overall().ratio().value);
        let claim = format!("overall drop ratio of {}, percent", name.replace("12a ", "").replace("12b ", "MT-Bench "));
        Check::near(&name[..2], claim, percent, found, 0.005 * percent)
    }));
    all.extend(DROPPED.into_iter().map(|(name, expected)| {
        let off = |curve: &DropCurve| {
            let pairs = BUCKETS.into_iter().zip(expected);
            largest(pairs.map(|(range, n)| (curve.bucket(range).dropped / n - 1.0).abs()))
        };
        let found = paper.drop_curve(name).map_or(f64::NAN, off);
        let label = name.split_once(' ').map_or(name, |(_, label)| label);
        Check::at_most("12", format!("drops of {label} in five buckets: largest part off"), 0.0, found, 0.01)
            .note(format!("{expected:.0?} counted independently"))
    }));
    all.push(tail(paper));
    all
}

/// Checks that drop ratio x assignments is a whole number of drops, wherever the bounds of the number of sequences agree. Two cases
/// do not count: a vertex without drops would pass with any n, and "12b raw" is the same curve as "12a MTBench" (`same_curve`).
fn whole_drops(paper: &Paper) -> Check {
    let vertices = |curve: &DropCurve| {
        let known = |position: f64| curve.assignments.get(position as usize).filter(|(low, high)| low == high);
        let pairs = curve.position.iter().zip(&curve.ratio);
        let drops = pairs.filter_map(|(x, ratio)| Some(ratio * known(*x)?.0));
        drops.filter(|drops| *drops > 0.1).map(distance_to_whole).collect::<Vec<f64>>()
    };
    let parts: Vec<f64> = paper.drops.iter().filter(|curve| curve.name != "12b raw").flat_map(vertices).collect();
    let largest = largest(parts.iter().copied());
    Check::at_most("12", "ratio x 2 x sequences is a whole number of drops: largest difference", 0.0, largest, 0.001)
        .note(format!(
            "{} distinct vertices with drops at which the bounds of the number of sequences agree; the bounds use that n never rises",
            parts.len()
        ))
}

fn same_curve(paper: &Paper) -> Check {
    let pair = paper.drop_curve("12a MTBench").zip(paper.drop_curve("12b raw"));
    let largest = pair.map_or(f64::NAN, |(a, b)| {
        largest((0..=a.last()).map(|position| 100.0 * (a.at(position) - b.at(position)).abs()))
    });
    Check::at_most("12", "\"raw\" of 12b is the MT-Bench curve of 12a: largest difference, percent", 0.0, largest, 1e-4)
}

/// Checks how few assignments are behind the steep end of the MT-Bench curve.
fn tail(paper: &Paper) -> Check {
    let Some(curve) = paper.drop_curve("12a MTBench") else {
        return Check::near("12", "drop ratio behind the MT-Bench tail, percent", 10.2, f64::NAN, 0.05);
    };
    let bucket = curve.bucket(BUCKETS[4]);
    let sequences = |position: usize| (curve.n(position) / TOP_K as f64).round();
    Check::near("12", "drop ratio of MT-Bench from position 1536 on, percent", 10.2, 100.0 * bucket.ratio().value, 0.05)
        .note(format!(
            "{:.0} of {:.0} assignments; {} conversations reach 1536, {} the end at {}",
            bucket.dropped,
            bucket.assignments,
            sequences(bucket.positions.0),
            sequences(bucket.positions.1),
            bucket.positions.1
        ))
}

/// Checks that not every curve rises: two fall first.
fn shapes(paper: &Paper) -> Vec<Check> {
    let ratios = |name: &str| -> Vec<f64> {
        let curve = paper.drop_curve(name);
        curve.map_or_else(Vec::new, |curve| BUCKETS.iter().map(|range| curve.bucket(*range).ratio().value).collect())
    };
    let valley = |name: &str| {
        let all = ratios(name);
        let middle = all.iter().copied().skip(1).take(3).fold(f64::NAN, f64::min);
        let ends = all.first().zip(all.last()).map_or(f64::NAN, |(first, last)| first.min(*last));
        Check::new(
            "12",
            format!("U-shape of {}: lower end / bottom", &name[4..]),
            Rule::AtLeast,
            1.5,
            ends / middle,
            0.0,
        )
        .note("drops fall before they rise")
    };
    let rise = |name: &str| {
        let all = ratios(name);
        let steps = all.windows(2).map(|pair| pair[1] / pair[0]).fold(f64::NAN, f64::min);
        Check::new(
            "12",
            format!("{} rises from bucket to bucket: smallest step", &name[4..]),
            Rule::AtLeast,
            1.0,
            steps,
            0.0,
        )
    };
    let rising = ["12a TED", "12a MTBench", "12b chat"];
    ["12a RedPajama", "12a TheStack"].into_iter().map(valley).chain(rising.into_iter().map(rise)).collect()
}

/// Checks that Figure 13 is mostly sampling noise.
fn noise(paper: &Paper) -> Vec<Check> {
    let check = |distinct: bool, expected: f64, note: &str| {
        let found = noise_share(paper, distinct).unwrap_or(f64::NAN);
        Check::near("13", "share of the variance over positions that is sampling noise", expected, found, 0.005)
            .note(note)
    };
    vec![
        check(true, 0.746, "positions from 1 on, n(position) of Fig. 12, two distinct choices a token"),
        check(false, 0.771, "the same if both choices could be the same expert"),
    ]
}

/// The largest value; NaN if there is none, so that a check without data fails.
fn largest(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(f64::NAN, f64::max)
}

/// How far a number is from the next whole one.
fn distance_to_whole(value: f64) -> f64 {
    (value - value.round()).abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_can_fail() {
        assert!(Check::near("5", "x", 1.0, 1.1, 0.2).holds && !Check::near("5", "x", 1.0, 1.3, 0.2).holds);
        assert!(!Check::at_most("5", "x", 1.0, f64::NAN, 0.2).holds);
        assert!(!Check::new("5", "x", Rule::AtLeast, 1.0, 0.7, 0.2).holds);
    }

    #[test]
    fn a_changed_figure_fails() {
        type Change = fn(&mut Paper);
        let changes: [(&str, Change); 5] = [
            ("a share", |paper| paper.shares[0].categories[0].share[0] += 0.01),
            ("a std above the ceiling", |paper| paper.token_std[5] = 0.13),
            ("a drop ratio", |paper| paper.drops[0].ratio[7] += 0.001),
            ("a count of a token", |paper| paper.courses[0].points[0].1[3] += 9),
            ("a number of assignments", |paper| paper.shares[4].categories[0].kept = Some(706)),
        ];
        let failed = |paper: &Paper| checks(paper).into_iter().filter(|check| !check.holds).count();
        let unchanged = Paper::load().unwrap();
        assert_eq!(failed(&unchanged), 0, "{:#?}", checks(&unchanged));
        for (what, change) in changes {
            let mut paper = unchanged.clone();
            change(&mut paper);
            assert!(failed(&paper) > 0, "{what} is changed and no check fails");
        }
    }
}
