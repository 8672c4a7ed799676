//! MT-Bench: questions in one file, a model's answers in another.

use std::collections::{HashMap, HashSet};

use super::{
    conversation::{Document, Side},
    message::Message,
    other_keys::Given,
};
use crate::corpus::{Role, Skipped};

/// The most questions and answers of one file that are kept if only some sequences are wanted: far more than any benchmark has,
/// so that only an endless input is cut.
pub(super) const MOST_WAITING: usize = 1 << 15;

/// Keeps the questions and answers of all files until the last file has been read, because answers may come before their
/// questions.
#[derive(Clone, Debug, Default)]
pub(super) struct MtBench {
    /// Questions, each with the number of its file.
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

    /// The number of questions and answers of a file.
    pub(super) fn waiting(&self, file: usize) -> usize {
        // The rows of a file are consecutive, and the question is always about the last file.
        let of = |sides: &[(usize, Side)]| sides.len() - sides.partition_point(|(of, _)| *of < file);
        of(&self.questions) + of(&self.answers)
    }

    /// Notes with counts: questions without an answer, answers that were replaced by later ones, choices after the first one.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let answered: HashSet<&str> = self.answers.iter().map(|(_, answer)| answer.id.as_str()).collect();
        let alone = self.questions.iter().filter(|(_, question)| !answered.contains(question.id.as_str())).count();
        if !answered.is_empty() && alone > 0 {
            let all = self.questions.len();
            notes
                .push(format!("{alone} of {all} questions have no answer: conversations of the user's messages alone"));
        }
        let again = self.answers.len() - self.last_answers().len();
        if again > 0 {
            notes.push(format!(
                "{again} answers left out: the same model answers the same question again further below"
            ));
        }
        let further: usize = self.answers.iter().map(|(_, answer)| answer.further_choices).sum();
        if further > 0 {
            notes.push(format!("{further} further choices left out: the first of each answer is used"));
        }
        notes
    }

    /// The last answer of each model of a file to each question, as in `FastChat`.
    fn last_answers(&self) -> HashSet<usize> {
        let mut last = HashMap::new();
        for (at, (file, answer)) in self.answers.iter().enumerate() {
            last.insert((*file, answer.model.as_deref(), answer.id.as_str()), at);
        }
        last.into_values().collect()
    }

    /// The files in which several models answer: there each model is a separate data set.
    fn of_several_models(&self) -> HashSet<usize> {
        let mut models: HashMap<usize, HashSet<Option<&str>>> = HashMap::new();
        for (file, answer) in &self.answers {
            models.entry(*file).or_default().insert(answer.model.as_deref());
        }
        models.into_iter().filter(|(_, models)| models.len() > 1).map(|(file, _)| file).collect()
    }

    /// The conversations, each with its file, file by file in the order of the rows. An answer with its question belongs to the file
    /// of the answer; a question without an answer belongs to its own file. Of several questions with one id the first is
    /// answered. Rows that cannot be joined are skipped.
    pub(super) fn join(self) -> Vec<(usize, Result<Document, Skipped>)> {
        let mut by_id: HashMap<&str, &Side> = HashMap::new();
        for (_, question) in &self.questions {
            by_id.entry(&question.id).or_insert(question);
        }
        let answered: HashSet<&str> = self.answers.iter().map(|(_, answer)| answer.id.as_str()).collect();
        let (last, several) = (self.last_answers(), self.of_several_models());
        let used = self.answers.iter().enumerate().filter(|(at, _)| last.contains(at)).map(|(_, answer)| answer);
        let joined = used.map(|(file, answer)| {
            let document = by_id.get(answer.id.as_str()).ok_or_else(|| missing(answer)).and_then(|q| pair(q, answer));
            let dataset = answer.model.clone().filter(|_| several.contains(file));
            let document = document.map(|document| Document { dataset, ..document });
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
        messages.push(Message::new(Role::User, text.as_str()));
        messages.extend(answer.turns.get(turn).map(|text| Message::new(Role::Assistant, text.as_str())));
    }
    let category = answer.category.clone().or_else(|| question.category.clone());
    Ok(document(answer, category, messages))
}

fn unanswered(question: &Side) -> Document {
    let messages = question.turns.iter().map(|text| Message::new(Role::User, text.as_str())).collect();
    document(question, question.category.clone(), messages)
}

fn document(side: &Side, category: Option<String>, messages: Vec<Message>) -> Document {
    Document {
        place: side.place.clone(),
        id: Some(side.id.clone()),
        dataset: None,
        category,
        given: Given::default(),
        conversations: vec![messages],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(place: &str, id: &str, turns: &[&str]) -> Side {
        let turns = turns.iter().map(|&turn| turn.to_owned()).collect();
        let category = Some(format!("c{id}"));
        Side { place: place.into(), id: id.into(), model: None, further_choices: 0, category, turns }
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
                    let texts: Vec<_> = document.conversations[0].iter().map(|m| &*m.text).collect();
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

    #[test]
    fn the_last_answer_of_a_model_wins_and_models_are_data_sets() {
        let mut bench = MtBench::default();
        bench.question(0, side("q:1", "1", &["x"]));
        for (place, model, text) in [("a:1", "m", "Old."), ("a:2", "m", "New."), ("a:3", "n", "Other.")] {
            let answer = side(place, "1", &[text]);
            bench.answer(1, Side { model: Some(model.into()), further_choices: 1, ..answer });
        }
        bench.answer(2, Side { model: Some("m".into()), ..side("b:1", "1", &["Again."]) });
        assert_eq!(bench.notes().len(), 2);
        assert!(bench.notes()[0].starts_with("1 answers") && bench.notes()[1].starts_with("3 further"));
        let documents: Vec<_> = bench.join().into_iter().map(|(_, document)| document.unwrap()).collect();
        let shown: Vec<_> = documents.iter().map(|d| (d.place.as_str(), d.dataset.as_deref())).collect();
        assert_eq!(shown, [("a:2", Some("m")), ("a:3", Some("n")), ("b:1", None)]);
    }
}
