//! The criterion of each answer, in words.

use crate::stats::verdict::{
    Answer, ContextAdds, HalfReached, Independence, LaterTokens, LayersDiffer, RiseIsTheQueue, Side,
};

/// When this answer is given.
pub(super) fn criterion(answer: Answer) -> &'static str {
    match answer {
        Answer::ContextIndependent(answer) => meaning(answer),
        Answer::LayersDiffer(answer) => layers_differ(answer),
        Answer::StrongestContext(answer) => context_adds(answer),
        Answer::ClearestSpecialist(_) => {
            "of the pairs of category and expert whose interval lies above an even load and above the expert's share of all text, \
             the one with the largest lower end in times an even load"
        }
        Answer::BusiestExpert(_) => {
            "no category stands out; of the experts whose interval lies above an even load, the one with the largest lower end"
        }
        Answer::HalfOfFinalAgreement(answer) => half_reached(answer),
        Answer::LastButOneAgrees(_) => "a number: the agreement of the layer in which it is least",
        Answer::FirstChoiceDiffers(_) => "a number: the share of the tokens whose first choice differs",
        Answer::FirstChoiceDiffersByArithmetic(_) => {
            "a number: the share of the tokens whose first choice differs between f32 and bf16 arithmetic, the noise floor"
        }
        Answer::TokenMoved(_) => {
            "the lower end of the interval lies above the noise floor; the three token ids that moved most"
        }
        Answer::LaterTokensDroppedMore(answer) => later_tokens(answer),
        Answer::DiffersFromRandomOrder(side)
        | Answer::DropRatioDiffers(side)
        | Answer::DropTrendDiffers(side)
        | Answer::LossRises(side)
        | Answer::DroppingHurts(side) => which_side(side),
        Answer::RiseIsTheQueue(RiseIsTheQueue::AtLeastHalf) => {
            "1 less the upper end of what is left over the lower end of the rise is at least 0.5 in every layer with a rise"
        }
        Answer::RiseIsTheQueue(RiseIsTheQueue::NotShown) => {
            "1 less the upper end of what is left over the lower end of the rise is below 0.5 in some layer with a rise"
        }
        Answer::IntervalsMissZero(_) => "a number: of 95 % intervals one in twenty misses 0 by chance",
        Answer::MostIsDropped(_) => "a number: the drop ratio of the layer that drops most",
        Answer::DroppedByRole(_) => "numbers: the drop ratio of each role in the layer that drops most",
        Answer::QueueOverflows(_) => "numbers: the share of the queue of the expert that each token fills",
        Answer::CapacityFactorForOnePercent(_) => {
            "a number: the smallest factor of a replay of the choices that drops at most 1 % of the assignments"
        }
        Answer::RanksWaitForTheSlowest(_) => {
            "numbers: the largest load of a rank over the mean load, by layer, over all tokens and batch by batch"
        }
    }
}

/// What an answer about the token id and the context means.
pub(super) fn meaning(answer: Independence) -> &'static str {
    match answer {
        Independence::Fully => "nothing is left for the context to explain",
        Independence::Yes => {
            "at least half is explained by the token id, and at most a tenth of the rest by any context, or less than 5 % is left"
        }
        Independence::AtLeastMostly => {
            "at least half is explained by the token id; whether a context explains more than a tenth of the rest cannot be told"
        }
        Independence::Mostly => {
            "at least half is explained by the token id, but more than a tenth of the rest by a context"
        }
        Independence::Undecided => "the interval of the token id's share contains one half",
        Independence::Unexplained => {
            "less than half is explained by the token id, but no context is shown to explain more than a tenth of the rest"
        }
        Independence::No => {
            "less than half is explained by the token id, and more than a tenth of the rest by a context"
        }
        Independence::NearlyConstantRouter => "less than 0.05 bits are there to explain",
        Independence::ConstantRouter => "every token gets the same experts",
        Independence::NotEnoughData => {
            "the interval of the token id is not known, or that of every context where one is needed"
        }
    }
}

fn context_adds(answer: ContextAdds) -> &'static str {
    match answer {
        ContextAdds::MoreThanATenth => "the interval of the context that explains most of the rest lies above a tenth",
        ContextAdds::AtMostATenth => "no interval of any context reaches above a tenth of the rest",
        ContextAdds::Undecided => "the interval of some context contains a tenth of the rest, and none lies above it",
    }
}

fn layers_differ(answer: LayersDiffer) -> &'static str {
    match answer {
        LayersDiffer::Yes => "the intervals of the layers that follow the token id most and least are apart",
        LayersDiffer::NotMeasurably => "the intervals of the layers that follow the token id most and least overlap",
        LayersDiffer::OnlyOneLayer => "one layer has an interval",
    }
}

/// What "half of the final agreement" means.
pub(super) const HALF: &str = "half of the way from load-matched chance, by the lower end of the interval";

fn half_reached(answer: HalfReached) -> &'static str {
    match answer {
        HalfReached::Yes | HalfReached::InSomeLayers | HalfReached::No => HALF,
        HalfReached::OneCheckpoint => "the time axis has one checkpoint",
        HalfReached::ConstantRouter => "load-matched chance is 1",
        HalfReached::NotEnoughData => "a number or an interval is missing",
    }
}

fn later_tokens(answer: LaterTokens) -> &'static str {
    match answer {
        LaterTokens::MoreThanInRandomOrder => {
            "the interval of last quarter minus first quarter lies above 0, and that of what is left above random order too"
        }
        LaterTokens::LessThanInRandomOrder => {
            "the interval of last quarter minus first quarter lies above 0, and that of what is left above random order below 0"
        }
        LaterTokens::AsInRandomOrder => {
            "the interval of last quarter minus first quarter lies above 0, but that of what is left above random order is on \
             neither side of 0"
        }
        LaterTokens::More => {
            "the interval of last quarter minus first quarter lies above 0; what random order would give is not known"
        }
        LaterTokens::Less => "the interval of last quarter minus first quarter lies below 0",
        LaterTokens::NoTrend => "the interval of last quarter minus first quarter contains 0",
        LaterTokens::MoreInSomeLayers => "the interval of last quarter minus first quarter lies above 0 in some layer",
        LaterTokens::LessInSomeLayers => {
            "the interval of last quarter minus first quarter lies below 0 in some layer, and above 0 in none"
        }
        LaterTokens::MoreInSomeLessInOthers => {
            "the interval of last quarter minus first quarter lies above 0 in some layers and below 0 in others"
        }
        LaterTokens::NothingDropped => "every drop ratio is 0",
        LaterTokens::NotMeasured => "there is no last quarter minus first quarter",
        LaterTokens::NotEnoughData => "last quarter minus first quarter has no interval",
    }
}

fn which_side(side: Side) -> &'static str {
    match side {
        Side::Above => "the interval lies above 0",
        Side::Below => "the interval lies below 0",
        Side::NotMeasurably => "the interval contains 0",
        Side::NotEnoughData => "there is no interval",
    }
}
