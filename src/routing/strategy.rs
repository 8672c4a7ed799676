//! The strategies of `mitigate` by name: what is changed about the routers of a model.

use std::{fmt, path::PathBuf, str::FromStr};

use crate::error::{Error, OptionName, Result, nearest_spelling};

/// What decides for token ids that a table has no row for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RareRule {
    /// The model's own router.
    #[default]
    OwnRouter,
    /// The mean over all tokens.
    Marginal,
    /// The row of the id with the nearest embedding.
    Embedding,
}

/// Who queues first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PriorityRule {
    /// The most probable first choice first.
    Probability,
    /// The last token first.
    Last,
    /// In random order.
    Random,
}

/// One thing that is changed about the routers of a model.
#[derive(Clone, Debug, PartialEq)]
pub enum Strategy {
    /// `lookup`, `lookup=marginal`, `lookup=embedding`: a table of token ids.
    Lookup(RareRule),
    /// `frozen=CKPT`: the routers of another checkpoint.
    Frozen(PathBuf),
    /// `early`: routers read the residual stream before attention.
    Early,
    /// `capacity=F`: another capacity factor.
    Capacity(f64),
    /// `capacity=unlimited`: nothing is dropped.
    Unlimited,
    /// `rule=t5x`: the slots of the training code.
    RuleT5x,
    /// `priority=probability`, `priority=last`, `priority=random`: who gets the slots.
    Priority(PriorityRule),
    /// `reroute`: what is dropped goes to the next best expert with a free slot.
    Reroute,
    /// `top-k=K`: fewer or more choices.
    TopK(usize),
    /// `random`: random experts.
    Random,
    /// `hash`: experts by a hash of the token id.
    Hash,
}

/// The names, for messages and help.
const NAMES: [&str; 15] = [
    "lookup",
    "lookup=marginal",
    "lookup=embedding",
    "frozen=CKPT",
    "early",
    "capacity=F",
    "capacity=unlimited",
    "rule=t5x",
    "priority=probability",
    "priority=last",
    "priority=random",
    "reroute",
    "top-k=K",
    "random",
    "hash",
];

impl Strategy {
    /// Smallest and largest capacity factor.
    const FACTORS: std::ops::RangeInclusive<f64> = 1e-6..=1e6;

    /// Whether it is about slots, so that it needs a model that limits them.
    pub fn needs_capacity(&self) -> bool {
        matches!(self, Self::Capacity(_) | Self::Unlimited | Self::RuleT5x | Self::Priority(_) | Self::Reroute)
    }

    /// Whether it is a table of token ids.
    pub fn is_lookup(&self) -> bool {
        matches!(self, Self::Lookup(_))
    }

    /// Whether it depends on the seed.
    pub fn is_random(&self) -> bool {
        matches!(self, Self::Random | Self::Hash | Self::Priority(PriorityRule::Random))
    }

    /// The strategy in words, as the subject of a sentence; `routers` names the checkpoint of frozen routers.
    pub fn in_words(&self, routers: &str) -> String {
        match self {
            Self::Lookup(RareRule::OwnRouter) => "a table of token ids".to_owned(),
            Self::Lookup(RareRule::Marginal) => "a table of token ids, with the mean for rare ids".to_owned(),
            Self::Lookup(RareRule::Embedding) => "a table of token ids, with the nearest id for rare ones".to_owned(),
            Self::Frozen(_) => format!("the routers of {routers}"),
            Self::Early => "routers that read the input of attention".to_owned(),
            Self::Capacity(factor) => format!("capacity factor {factor}"),
            Self::Unlimited => "removing the capacity".to_owned(),
            Self::RuleT5x => "the capacity rule of the training code".to_owned(),
            Self::Priority(PriorityRule::Probability) => "slots for the most probable first".to_owned(),
            Self::Priority(PriorityRule::Last) => "slots for the last tokens first".to_owned(),
            Self::Priority(PriorityRule::Random) => "slots in random order".to_owned(),
            Self::Reroute => "rerouting of what is dropped".to_owned(),
            Self::TopK(1) => "1 expert for each token".to_owned(),
            Self::TopK(k) => format!("{k} experts for each token"),
            Self::Random => "random experts".to_owned(),
            Self::Hash => "experts by a hash of the token id".to_owned(),
        }
    }

    /// Whether [`Self::in_words`] is a plural.
    pub fn is_plural(&self) -> bool {
        match self {
            Self::Frozen(_) | Self::Early | Self::Priority(_) | Self::Random | Self::Hash => true,
            Self::TopK(choices) => *choices > 1,
            Self::Lookup(_) | Self::Capacity(_) | Self::Unlimited | Self::RuleT5x | Self::Reroute => false,
        }
    }

    fn unknown(text: &str) -> Error {
        let name = text.split_once('=').map_or(text, |(name, _)| name);
        let bare = NAMES.iter().map(|known| known.split_once('=').map_or(*known, |(name, _)| name));
        let with_value = NAMES.iter().copied().find(|known| known.starts_with(&format!("{name}=")));
        let meant = nearest_spelling(text, NAMES.iter().copied()).filter(|meant| *meant != text);
        let meant = meant.or(with_value).or_else(|| nearest_spelling(name, bare));
        let all = NAMES.join(", ");
        let hint = match meant {
            Some(meant) => format!("did you mean {}? docs/mitigate.md explains each", OptionName::Strategy.with(meant)),
            None => "docs/mitigate.md explains each".to_owned(),
        };
        Error::usage(format!("{}; expected one of {all}", OptionName::Strategy.with(text)), hint)
    }
}

impl FromStr for Strategy {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let unknown = || Self::unknown(text);
        let Some((name, value)) = text.split_once('=') else {
            return match text {
                "lookup" => Ok(Self::Lookup(RareRule::OwnRouter)),
                "early" => Ok(Self::Early),
                "reroute" => Ok(Self::Reroute),
                "random" => Ok(Self::Random),
                "hash" => Ok(Self::Hash),
                _ => Err(unknown()),
            };
        };
        match (name, value) {
            ("lookup", "marginal") => Ok(Self::Lookup(RareRule::Marginal)),
            ("lookup", "embedding") => Ok(Self::Lookup(RareRule::Embedding)),
            ("frozen", folder) if !folder.is_empty() => Ok(Self::Frozen(folder.into())),
            ("capacity", "unlimited") => Ok(Self::Unlimited),
            ("capacity", factor) => {
                factor.parse().ok().filter(|factor| Self::FACTORS.contains(factor)).map(Self::Capacity).ok_or_else(
                    || {
                        Error::usage(
                            format!(
                                "{}; expected unlimited or a factor from 0.000001 to 1000000",
                                OptionName::Strategy.with(text)
                            ),
                            format!("for example {}", OptionName::Strategy.with("capacity=1.25")),
                        )
                    },
                )
            }
            ("rule", "t5x") => Ok(Self::RuleT5x),
            ("priority", "probability") => Ok(Self::Priority(PriorityRule::Probability)),
            ("priority", "last") => Ok(Self::Priority(PriorityRule::Last)),
            ("priority", "random") => Ok(Self::Priority(PriorityRule::Random)),
            ("top-k", choices) => {
                choices.parse().ok().filter(|choices| *choices > 0).map(Self::TopK).ok_or_else(|| {
                    Error::usage(
                        format!("{}; expected a whole number from 1 on", OptionName::Strategy.with(text)),
                        format!("for example {}", OptionName::Strategy.with("top-k=1")),
                    )
                })
            }
            _ => Err(unknown()),
        }
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lookup(RareRule::OwnRouter) => f.write_str("lookup"),
            Self::Lookup(RareRule::Marginal) => f.write_str("lookup=marginal"),
            Self::Lookup(RareRule::Embedding) => f.write_str("lookup=embedding"),
            Self::Frozen(folder) => write!(f, "frozen={}", folder.display()),
            Self::Early => f.write_str("early"),
            Self::Capacity(factor) => write!(f, "capacity={factor}"),
            Self::Unlimited => f.write_str("capacity=unlimited"),
            Self::RuleT5x => f.write_str("rule=t5x"),
            Self::Priority(PriorityRule::Probability) => f.write_str("priority=probability"),
            Self::Priority(PriorityRule::Last) => f.write_str("priority=last"),
            Self::Priority(PriorityRule::Random) => f.write_str("priority=random"),
            Self::Reroute => f.write_str("reroute"),
            Self::TopK(choices) => write!(f, "top-k={choices}"),
            Self::Random => f.write_str("random"),
            Self::Hash => f.write_str("hash"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_as_it_is_written() {
        for name in NAMES {
            let text = name.replace("CKPT", "a/b=c").replace("=F", "=1.5").replace("=K", "=3");
            assert_eq!(text.parse::<Strategy>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_strategy_is_refused_with_the_nearest() {
        let refused = |text: &str| text.parse::<Strategy>().unwrap_err();
        assert!(refused("lokup").hint().unwrap().contains("lookup"));
        assert!(refused("priority=frist").to_string().contains("priority=last"));
        for text in ["capacity=0", "capacity=nan", "capacity=-1", "capacity=1e7", "capacity="] {
            assert!(refused(text).to_string().contains("a factor from 0.000001 to 1000000"), "{text}");
        }
        for text in ["top-k=0", "top-k=two"] {
            assert!(refused(text).to_string().contains("a whole number from 1 on"), "{text}");
        }
        for text in ["", "frozen=", "frozen", "rule=port", "early=1"] {
            assert!(refused(text).to_string().contains("expected one of lookup"), "{text}");
        }
    }
}
