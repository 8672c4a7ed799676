//! Compiles and runs templates from a download, with limits on steps, output, strings, nesting and time.

use std::{sync::mpsc, thread, time::Duration};

use minijinja::{Environment, Error, ErrorKind, State, Value, value::ValueKind};

use super::dialect;

/// The name of the template in its environment, which error messages show.
pub(super) const NAME: &str = "chat_template";
/// The size of the stacks on which templates run, in bytes. Values may be nested as deep as the fuel allows, and comparing and
/// freeing them is recursive.
pub(in super::super) const STACK: usize = 128 << 20;
/// Steps that a template may take before its first message. Writing or moving 64 bytes counts as one step.
const FUEL: u64 = 100_000;
/// Further steps for each message.
const FUEL_OF_MESSAGE: u64 = 1_000;
/// The most bytes that a rendered conversation may have.
const MOST_BYTES: usize = 64 << 20;
/// The most steps for rendering all parts of one conversation, which is done to find where its messages end.
pub(super) const FUEL_OF_PARTS: u64 = 1 << 26;
/// The cost of preparing one part, in steps.
const FUEL_OF_PART: u64 = 2_000;
/// The longest tag of a template, in bytes: the compiler is recursive, and its depth grows with the length of an expression.
const LONGEST_TAG: usize = 64 << 10;
/// How long compiling a template and rendering a conversation of two words may take. Real templates need milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);
/// The most values inside one value that is written as text.
const MOST_VALUES: usize = 1 << 20;

/// Compiles templates and tries the first one on a conversation of two words.
///
/// # Errors
/// A template is broken, or does not end.
pub(super) fn compile(templates: Vec<(&'static str, String)>) -> Result<Environment<'static>, String> {
    let (sender, receiver) = mpsc::channel();
    let work = move || {
        // Sending fails only if the caller has stopped waiting; then nothing is left to do.
        let _ = sender.send(compiled(templates));
    };
    let thread = thread::Builder::new().name("chat template".into()).stack_size(STACK).spawn(work);
    thread.map_err(|error| format!("no thread can be started for it: {error}"))?;
    let seconds = PATIENCE.as_secs();
    receiver.recv_timeout(PATIENCE).unwrap_or_else(|_| Err(format!("it did not end within {seconds} seconds")))
}

fn compiled(templates: Vec<(&'static str, String)>) -> Result<Environment<'static>, String> {
    let mut environment = dialect::environment().map_err(|error| error.to_string())?;
    environment.set_formatter(|out, state, value| {
        check_size(value)?;
        minijinja::escape_formatter(out, state, value)
    });
    environment.set_unknown_method_callback(method);
    for (name, source) in templates {
        let source = dialect::prepared(&source);
        if dialect::longest_tag(&source) > LONGEST_TAG {
            return Err(format!("a tag of it is longer than {LONGEST_TAG} bytes"));
        }
        environment.add_template_owned(name, source).map_err(|error| error.to_string())?;
    }
    let message = |role: &str| Value::from_pairs([("role", role), ("content", "a")]);
    let messages = Value::from(vec![message("user"), message("assistant")]);
    let variables = [("messages", messages), ("bos_token", Value::from("")), ("eos_token", Value::from(""))];
    match run(&environment, NAME, Value::from_pairs(variables), fuel(2, 2)) {
        Err(error) if error.kind() == ErrorKind::OutOfFuel => {
            Err(format!("two words take it {}", too_much(fuel(2, 2))))
        }
        // Other errors are accepted: a good template may refuse such a short conversation.
        _ => Ok(environment),
    }
}

/// Why a template has not rendered a conversation.
pub(super) struct RenderFailure {
    /// The reason in words.
    pub reason: String,
    /// Whether the template was stopped at a limit, instead of refusing.
    pub is_stopped: bool,
}

/// Renders a conversation with a limit of fuel; returns the steps that it took.
///
/// # Errors
/// The template refuses the conversation, or reaches a limit.
pub(super) fn render(
    environment: &Environment<'_>,
    template: &str,
    variables: Value,
    fuel: u64,
) -> Result<(String, u64), RenderFailure> {
    let (text, steps) = run(environment, template, variables, fuel).map_err(|error| match error.kind() {
        ErrorKind::OutOfFuel => RenderFailure { reason: format!("it takes {}", too_much(fuel)), is_stopped: true },
        _ => RenderFailure { reason: error.to_string(), is_stopped: false },
    })?;
    if text.len() > MOST_BYTES {
        let reason = format!("its text is {} bytes long; at most {MOST_BYTES} are read", text.len());
        return Err(RenderFailure { reason, is_stopped: true });
    }
    Ok((text, steps))
}

/// The fuel that all parts of a conversation share: there are as many parts as messages, each longer than the one before.
pub(super) struct PartsFuel {
    left: u64,
    /// Steps and messages of the whole conversation.
    whole: (u64, u64),
}

impl PartsFuel {
    /// Fuel for the parts of a conversation of `messages` messages that took `steps` steps.
    pub(super) fn new(left: u64, steps: u64, messages: usize) -> Self {
        Self { left, whole: (steps, messages.max(1) as u64) }
    }

    /// The fuel of one part: at most about as much as the whole conversation took.
    pub(super) fn of_part(&self) -> u64 {
        2 * self.whole.0 + FUEL_OF_PART
    }

    /// Pays for a part with `messages` messages; `None` if the fuel is used up. The cost of a refused part is not known, so it pays
    /// its share of the whole.
    pub(super) fn pay(&mut self, messages: usize, written: Result<(usize, u64), ()>) -> Option<()> {
        let messages = messages as u64;
        let (bytes, steps) = written.unwrap_or_else(|()| (0, self.whole.0.saturating_mul(messages) / self.whole.1));
        let price = FUEL_OF_PART + steps + (messages + bytes as u64) / 8;
        self.left = self.left.checked_sub(price)?;
        Some(())
    }
}

fn run(environment: &Environment<'_>, template: &str, variables: Value, fuel: u64) -> Result<(String, u64), Error> {
    let mut environment = environment.clone();
    environment.set_fuel(Some(fuel));
    let captured = environment.get_template(template)?.render_captured(variables)?;
    let steps = captured.state().fuel_levels().map_or(0, |(taken, _)| taken);
    Ok((captured.into_output(), steps))
}

/// The steps that a conversation with this many messages and bytes may take.
pub(super) fn fuel(messages: usize, bytes: usize) -> u64 {
    FUEL + messages as u64 * FUEL_OF_MESSAGE + 2 * bytes as u64
}

fn too_much(fuel: u64) -> String {
    format!("more than {fuel} steps, or 64 bytes for each of them")
}

/// Refuses values that are small in memory but endless as text, such as a list that holds the same list twice, forty levels
/// deep.
fn check_size(value: &Value) -> Result<(), Error> {
    let is_container = |value: &Value| matches!(value.kind(), ValueKind::Seq | ValueKind::Map | ValueKind::Iterable);
    if !is_container(value) {
        return Ok(());
    }
    let (mut open, mut seen) = (vec![value.clone()], 0);
    while let Some(value) = open.pop() {
        seen += 1;
        if seen > MOST_VALUES {
            return Err(Error::new(ErrorKind::InvalidOperation, "a value holds too many others to be written"));
        }
        if !is_container(&value) {
            continue;
        }
        for item in value.try_iter()? {
            seen += 1;
            let item = if value.kind() == ValueKind::Map { value.get_item(&item)? } else { item };
            if is_container(&item) {
                open.push(item);
            }
        }
    }
    Ok(())
}

/// Python's methods. `format` accepts only short values, because its result is built before fuel is taken for it.
fn method(state: &mut State, value: &Value, name: &str, arguments: &[Value]) -> Result<Value, Error> {
    if name == "format" && value.as_str().is_some_and(has_long_number) {
        return Err(Error::new(ErrorKind::InvalidOperation, "format: a width of more than four digits"));
    }
    minijinja_contrib::pycompat::unknown_method_callback(state, value, name, arguments)
}

fn has_long_number(text: &str) -> bool {
    text.split(|character: char| !character.is_ascii_digit()).any(|digits| digits.len() > 4)
}
