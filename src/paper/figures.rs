//! Figures 5 to 14 of the OpenMoE paper (arXiv 2402.01739) as numbers, read from the vector graphics of its PDF
//! (`fixtures/paper`); they are part of the binary.

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::measure::Measured;
use crate::error::{Error, Result};

const SHARES: &str = include_str!("../../fixtures/paper/openmoe_fig5_11_E.json");
const COUNTS: &str = include_str!("../../fixtures/paper/openmoe_fig11_counts.json");
const DROPS: &str = include_str!("../../fixtures/paper/openmoe_fig12.json");
const REACH: &str = include_str!("../../fixtures/paper/openmoe_fig12_n.json");
const SPREAD: &str = include_str!("../../fixtures/paper/openmoe_fig13_14.json");

/// Experts per layer of the paper's model.
pub const EXPERTS: usize = 32;
/// Choices per token of the paper's model.
pub const TOP_K: usize = 2;

/// The buckets of positions in which drops are compared.
pub const BUCKETS: [(usize, usize); 5] = [(0, 255), (256, 511), (512, 1023), (1024, 1535), (1536, 2047)];

/// Kept expert shares of one category, position or token.
#[derive(Clone, Debug)]
pub struct Shares {
    /// As the figure names it.
    pub name: String,
    /// Share of each expert.
    pub share: Vec<f64>,
    /// Kept assignments behind it, if they can be inferred from the shares.
    pub kept: Option<u64>,
}

impl Shares {
    /// The shares, with Wilson intervals if the assignments are known.
    pub fn measured(&self) -> Vec<Measured> {
        let with = |share: f64| self.kept.map_or(Measured::fixed(share), |kept| Measured::wilson(share, kept as f64));
        self.share.iter().map(|share| with(*share)).collect()
    }
}

/// One of Figures 5 to 11.
#[derive(Clone, Debug)]
pub struct ShareFigure {
    /// Number of the figure: "5", "9a", "11b" ...
    pub figure: &'static str,
    /// Its categories, in the figure's order.
    pub categories: Vec<Shares>,
}

/// The figures of expert shares: key of the file and number.
const SHARE_FIGURES: [(&str, &str); 9] = [
    ("fig5_redpajama", "5"),
    ("fig6_thestack", "6"),
    ("fig7_ted", "7"),
    ("fig8_mtbench", "8"),
    ("fig9a_positions", "9a"),
    ("fig9b_positions", "9b"),
    ("fig10_tokens", "10"),
    ("fig11a_ed", "11a"),
    ("fig11b_an", "11b"),
];

/// Figure 11: how often a token's assignments go to each expert, by training tokens.
#[derive(Clone, Debug)]
pub struct TokenCourse {
    /// The token's text.
    pub token: String,
    /// Label of the checkpoint and its counts, in order of training.
    pub points: Vec<(String, Vec<u64>)>,
}

impl TokenCourse {
    /// Training tokens at a point, from its label: "200B", "1.0T".
    pub fn tokens(&self, point: usize) -> f64 {
        let label = self.points[point].0.as_str();
        let of = |suffix: char, unit: f64| Some(label.strip_suffix(suffix)?.parse::<f64>().ok()? * unit);
        of('B', 1e9).or_else(|| of('T', 1e12)).unwrap_or(f64::NAN)
    }

    /// Assignments at a point.
    pub fn n(&self, point: usize) -> u64 {
        self.points[point].1.iter().sum()
    }

    /// Total variation between a point and the last, the net share of assignments that move.
    pub fn drift(&self, point: usize) -> f64 {
        let share = |counts: &[u64]| counts.iter().map(|count| *count as f64).collect::<Vec<_>>();
        super::measure::total_variation(&share(&self.points[point].1), &share(&self.points[self.points.len() - 1].1))
    }
}

/// One curve of Figure 12.
#[derive(Clone, Debug)]
pub struct DropCurve {
    /// Panel and data set: "12a RedPajama", "12b chat" ...
    pub name: String,
    /// Positions of the vertices.
    pub position: Vec<f64>,
    /// Dropped share of the assignments at the vertices.
    pub ratio: Vec<f64>,
    /// Lower and upper bound of the assignments (2 x sequences) at every position.
    pub assignments: Vec<(f64, f64)>,
}

/// Drops of a curve within a range of positions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DropBucket {
    /// First and last position.
    pub positions: (usize, usize),
    /// Dropped assignments.
    pub dropped: f64,
    /// All assignments.
    pub assignments: f64,
}

impl DropBucket {
    /// The drop ratio with its Wilson interval.
    pub fn ratio(&self) -> Measured {
        Measured::wilson(self.dropped / self.assignments, self.assignments)
    }
}

impl DropCurve {
    /// "12a" or "12b".
    pub fn figure(&self) -> &'static str {
        if self.name.starts_with("12b") { "12b" } else { "12a" }
    }

    /// The data set or model of the curve.
    pub fn label(&self) -> &str {
        self.name.split_once(' ').map_or(self.name.as_str(), |(_, label)| label)
    }

    /// The last position of the curve.
    pub fn last(&self) -> usize {
        self.position.last().map_or(0, |position| *position as usize)
    }

    /// Drop ratio at a position: a vertex, or on the line between two, since plotting removed vertices from straight lines.
    pub fn at(&self, position: usize) -> f64 {
        let x = position as f64;
        let next = self.position.partition_point(|vertex| *vertex < x).min(self.position.len() - 1);
        let (x1, y1) = (self.position[next], self.ratio[next]);
        if next == 0 || x1 <= x {
            return y1;
        }
        let (x0, y0) = (self.position[next - 1], self.ratio[next - 1]);
        y0 + (y1 - y0) * (x - x0) / (x1 - x0)
    }

    /// Assignments at a position, the middle of their bounds.
    pub fn n(&self, position: usize) -> f64 {
        self.assignments.get(position).map_or(0.0, |(low, high)| f64::midpoint(*low, *high))
    }

    /// The drops between two positions, as far as the curve goes.
    pub fn bucket(&self, (first, last): (usize, usize)) -> DropBucket {
        let positions = first..=last.min(self.last());
        let sum = |f: &dyn Fn(usize) -> f64| positions.clone().map(f).sum::<f64>();
        DropBucket {
            positions: (first, last.min(self.last())),
            dropped: sum(&|position| self.at(position) * self.n(position)),
            assignments: sum(&|position| self.n(position)),
        }
    }

    /// The drops of the whole curve.
    pub fn overall(&self) -> DropBucket {
        self.bucket((0, self.last()))
    }
}

/// Everything that was read from the paper.
#[derive(Clone, Debug)]
pub struct Paper {
    /// Figures 5 to 11.
    pub shares: Vec<ShareFigure>,
    /// Figure 11 as counts.
    pub courses: Vec<TokenCourse>,
    /// Figure 12.
    pub drops: Vec<DropCurve>,
    /// Figure 13: position and routing std.
    pub position_std: Vec<(usize, f64)>,
    /// Figure 14: routing std of token ids.
    pub token_std: Vec<f64>,
}

#[derive(Deserialize)]
struct StoredShares {
    #[serde(rename = "E")]
    share: Vec<f64>,
    kept_assignments: Option<u64>,
}

#[derive(Deserialize)]
struct StoredCurve {
    pos: Vec<f64>,
    drop_pct: Vec<f64>,
}

#[derive(Deserialize)]
struct StoredReach {
    n_lo: Vec<f64>,
    n_hi: Vec<f64>,
}

#[derive(Deserialize)]
struct StoredSpread {
    #[serde(default)]
    pos: Vec<f64>,
    std: Vec<f64>,
}

#[derive(Deserialize)]
struct StoredSpreads {
    fig13: StoredSpread,
    fig14: StoredSpread,
}

impl Paper {
    /// Reads the numbers that are built into the binary.
    ///
    /// # Errors
    /// [`Error::Internal`] if they are not what they should be.
    pub fn load() -> Result<Self> {
        let mut figures: Map<String, Value> = parse(SHARES)?;
        let figure = |(key, figure): (&str, &'static str)| {
            let stored: Map<String, Value> = typed(figures.remove(key).unwrap_or_default())?;
            Ok(ShareFigure { figure, categories: stored.into_iter().map(shares).collect::<Result<_>>()? })
        };
        let spread: StoredSpreads = parse(SPREAD)?;
        let positions = spread.fig13.pos.iter().map(|position| *position as usize);
        Ok(Self {
            shares: SHARE_FIGURES.into_iter().map(figure).collect::<Result<_>>()?,
            courses: parse::<Map<String, Value>>(COUNTS)?.into_iter().map(course).collect::<Result<_>>()?,
            drops: drops()?,
            position_std: positions.zip(spread.fig13.std).collect(),
            token_std: spread.fig14.std,
        })
    }

    /// One of Figures 5 to 11.
    pub fn figure(&self, number: &str) -> Option<&ShareFigure> {
        self.shares.iter().find(|figure| figure.figure == number)
    }

    /// One curve of Figure 12.
    pub fn drop_curve(&self, name: &str) -> Option<&DropCurve> {
        self.drops.iter().find(|curve| curve.name == name)
    }
}

fn shares((name, stored): (String, Value)) -> Result<Shares> {
    let stored: StoredShares = typed(stored)?;
    Ok(Shares { name, share: stored.share, kept: stored.kept_assignments })
}

fn course((token, points): (String, Value)) -> Result<TokenCourse> {
    let points: Map<String, Value> = typed(points)?;
    let points = points.into_iter().map(|(label, counts)| Ok((label, typed(counts)?)));
    Ok(TokenCourse { token, points: points.collect::<Result<_>>()? })
}

fn drops() -> Result<Vec<DropCurve>> {
    let mut reach: Map<String, Value> = parse(REACH)?;
    let curve = |(name, stored): (String, Value)| {
        let stored: StoredCurve = typed(stored)?;
        let reach: StoredReach = typed(reach.remove(&name).unwrap_or_default())?;
        Ok(DropCurve {
            name,
            position: stored.pos,
            ratio: stored.drop_pct.iter().map(|percent| percent / 100.0).collect(),
            assignments: reach.n_lo.into_iter().zip(reach.n_hi).collect(),
        })
    };
    parse::<Map<String, Value>>(DROPS)?.into_iter().map(curve).collect()
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| Error::internal(format!("the paper's figures: {error}")))
}

fn typed<T: DeserializeOwned>(value: Value) -> Result<T> {
    serde_json::from_value(value).map_err(|error| Error::internal(format!("the paper's figures: {error}")))
}
