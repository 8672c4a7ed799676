//! MT-Bench: questions in one file, a model's answers in another.

use std::collections::{HashMap, HashSet};

use super::{
    conversation::{Document, Side},
    message::Message,
};
use crate::corpus::{Role, Skipped};

/// Questions and answers of all files of a run, until the last file has been read: an answers file may stand before its
/// questions.
#[derive(Clone, Debug, Default)]
pub(super) struct MtBench {
    /// File and row.
    questions: Vec<(usize, Side)>,
    answers: Vec<(usize, Side)>,
}

impl MtBench {
    /// Takes a question of the file with this number.
    pub(super) fn question(&mut self, file: usize, side: Side) {
        self.questions.push((file, side));
    }

    /// Takes an answer of the file with this number.
    pub(super) fn answer(&mut self, file: usize, side: Side) {
        self.answers.push((file, side));
    }

    /// How many questions stand alone although there are answers: `(alone, all)`.
    pub(super) fn unanswered(&self) -> Option<(usize, usize)> {
        let answered: HashSet<&str> = self.answers.iter().map(|(_, answer)| answer.id.as_str()).collect();
        let alone = self.questions.iter().filter(|(_, question)| !answered.contains(question.id.as_str())).count();
        (!answered.is_empty() && alone > 0).then_some((alone, self.questions.len()))
    }

    /// The conversations, each with its file, file by file in the order of the rows: an answer with its question belongs
    /// to the file of the answers, a question that nothing answers stays alone in its own. Of questions with one id the
    /// first is answered. What cannot be joined is skipped.
    pub(super) fn join(self) -> Vec<(usize, Result<Document, Skipped>)> {
        let mut by_id: HashMap<&str, &Side> = HashMap::new();
        for (_, question) in &self.questions {
            by_id.entry(&question.id).or_insert(question);
        }
        let answered: HashSet<&str> = self.answers.iter().map(|(_, answer)| answer.id.as_str()).collect();
        let joined = self.answers.iter().map(|(file, answer)| {
            let document = by_id.get(answer.id.as_str()).ok_or_else(|| missing(answer)).and_then(|q| pair(q, answer));
            (*file, document.map_err(|reason| Skipped { place: answer.place.clone(), reason }))
        });
        let alone = self.questions.iter().filter(|(_, question)| !answered.contains(question.id.as_str()));
        let mut all: Vec<_> = joined.chain(alone.map(|(file, question)| (*file, Ok(unanswered(question))))).collect();
        all.sort_by_key(|(file, _)| *file);
        all
    }
}

fn missing(answer: &Side) -> String {
    format!("no question has the question_id {}; give the questions file in the same run, beside this one", answer.id)
}

fn pair(question: &Side, answer: &Side) -> Result<Document, String> {
    let (asked, said) = (question.turns.len(), answer.turns.len());
    if said > asked {
        return Err(format!("{said} answers, but question {} has {asked} turns", answer.id));
    }
    let mut messages = Vec::with_capacity(asked + said);
    for (turn, text) in question.turns.iter().enumerate() {
        messages.push(Message { role: Role::User, text: text.clone() });
        messages.extend(answer.turns.get(turn).map(|text| Message { role: Role::Assistant, text: text.clone() }));
    }
    let category = answer.category.clone().or_else(|| question.category.clone());
    Ok(document(answer, category, messages))
}

fn unanswered(question: &Side) -> Document {
    let messages = question.turns.iter().map(|text| Message { role: Role::User, text: text.clone() }).collect();
    document(question, question.category.clone(), messages)
}

fn document(side: &Side, category: Option<String>, messages: Vec<Message>) -> Document {
    Document { place: side.place.clone(), id: Some(side.id.clone()), category, conversations: vec![messages] }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(place: &str, id: &str, turns: &[&str]) -> Side {
        let turns = turns.iter().map(|&turn| turn.to_owned()).collect();
        Side { place: place.into(), id: id.into(), category: Some(format!("c{id}")), turns }
    }

    #[test]
    fn answers_meet_their_questions_in_whatever_order() {
        let mut bench = MtBench::default();
        bench.answer(0, Side { category: None, ..side("a:1", "2", &["A", "B"]) });
        bench.answer(0, side("a:2", "9", &["A"]));
        bench.answer(0, side("a:3", "3", &["A", "B"]));
        bench.answer(0, side("a:4", "4", &["A"]));
        bench.question(1, side("q:1", "1", &["x", "y"]));
        bench.question(1, side("q:2", "2", &["x", "y"]));
        bench.question(1, side("q:3", "3", &["x"]));
        bench.question(1, side("q:4", "4", &["x", "y"]));
        let shown: Vec<_> = bench
            .join()
            .into_iter()
            .map(|(file, document)| match document {
                Ok(document) => {
                    let texts: Vec<_> = document.conversations[0].iter().map(|m| m.text.as_str()).collect();
                    format!("{file} {} {} {}", document.place, document.category.unwrap(), texts.concat())
                }
                Err(Skipped { place, reason }) => format!("{file} {place}: {reason}"),
            })
            .collect();
        assert_eq!(
            shown,
            [
                "0 a:1 c2 xAyB",
                "0 a:2: no question has the question_id 9; give the questions file in the same run, beside this one",
                "0 a:3: 2 answers, but question 3 has 1 turns",
                "0 a:4 c4 xAy",
                "1 q:1 c1 xy",
            ]
        );
    }
}
