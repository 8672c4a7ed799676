//! The stack machine of a pickle: executes the op-codes of protocols 0 to 5 without running any code.

use std::{collections::HashMap, ops::Range};

use super::value::{Index, Value};

/// The state while a pickle is being read.
pub(super) struct Machine<'a> {
    bytes: &'a [u8],
    /// The index of the next byte.
    pub(super) at: usize,
    /// Every value that was made, by index.
    pub(super) values: Vec<Value>,
    /// By object the state that was set on it.
    pub(super) states: HashMap<Index, Index>,
    most_values: usize,
    stack: Vec<Index>,
    memo: HashMap<u64, Index>,
}

impl<'a> Machine<'a> {
    /// Before the first op-code.
    pub(super) fn new(bytes: &'a [u8], most_values: usize) -> Self {
        let (values, states, stack, memo) = <_>::default();
        Self { bytes, at: 0, values, states, most_values, stack, memo }
    }

    /// Reads to the end of the pickle, and returns the value that is left on the stack.
    pub(super) fn run(&mut self) -> Result<Index, String> {
        loop {
            let place = self.at;
            let code = self.take(1)?[0];
            if code == b'.' {
                return self.pop();
            }
            if !(self.constant(code)? || self.container(code)? || self.recall(code)? || self.call_code(code)?) {
                return Err(format!("has the unknown op-code 0x{code:02x} at byte {place}"));
            }
        }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let end = self.at.checked_add(count).filter(|&end| end <= self.bytes.len());
        let end = end.ok_or_else(|| format!("ends at byte {} within a value", self.bytes.len()))?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    /// A little-endian number of `width` bytes, without a sign.
    fn number(&mut self, width: usize) -> Result<u64, String> {
        Ok(self.take(width)?.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte)))
    }

    /// The rest of the line, without its end, which is skipped.
    fn line(&mut self) -> Result<Range<usize>, String> {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|&byte| byte == b'\n').ok_or("ends within a line")?;
        let start = self.at;
        self.at += length + 1;
        Ok(start..start + length)
    }

    fn push(&mut self, value: Value) -> Result<(), String> {
        if self.values.len() >= self.most_values {
            return Err(format!("has more than {} values", self.most_values));
        }
        self.stack.push(self.values.len() as Index);
        self.values.push(value);
        Ok(())
    }

    fn pop(&mut self) -> Result<Index, String> {
        self.stack.pop().ok_or_else(|| format!("takes a value that is not there at byte {}", self.at))
    }

    /// Pops everything above the last mark, and the mark.
    fn pop_to_mark(&mut self) -> Result<Vec<Index>, String> {
        let is_mark = |&index: &Index| self.values[index as usize] == Value::Mark;
        let mark = self.stack.iter().rposition(is_mark).ok_or("has no mark where one is needed")?;
        let above = self.stack.split_off(mark + 1);
        self.stack.pop();
        Ok(above)
    }

    /// Op-codes that push a constant. Returns whether the code was one of them.
    fn constant(&mut self, code: u8) -> Result<bool, String> {
        let value = match code {
            // None, true, an empty set.
            b'N' | 0x88 | 0x8f => Value::Other,
            0x89 => Value::False,
            b'J' => Value::Int(i128::from(self.number(4)? as u32 as i32)),
            b'K' => Value::Int(self.number(1)?.into()),
            b'M' => Value::Int(self.number(2)?.into()),
            0x8a => self.long(1)?,
            0x8b => self.long(4)?,
            b'G' => self.take(8).map(|_| Value::Other)?,
            b'I' | b'L' => self.decimal()?,
            b'F' => self.line().map(|_| Value::Other)?,
            b'S' | b'V' => Value::Text(self.line()?),
            b'U' | b'C' | 0x8c => self.counted(1)?,
            b'X' | b'T' | b'B' => self.counted(4)?,
            0x8d | 0x8e | 0x96 => self.counted(8)?,
            b')' => Value::Tuple(Vec::new()),
            b']' => Value::List(Vec::new()),
            b'}' => Value::Dict(Vec::new()),
            b'(' => Value::Mark,
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                return self.push_global(module, name).map(|()| true);
            }
            _ => return Ok(false),
        };
        self.push(value)?;
        Ok(true)
    }

    fn push_global(&mut self, module: Range<usize>, name: Range<usize>) -> Result<(), String> {
        self.push(Value::Text(module))?;
        self.push(Value::Text(name))?;
        let (name, module) = (self.pop()?, self.pop()?);
        self.push(Value::Global(module, name))
    }

    /// Text or bytes, preceded by their length.
    fn counted(&mut self, width: usize) -> Result<Value, String> {
        let length = usize::try_from(self.number(width)?).unwrap_or(usize::MAX);
        self.take(length)?;
        Ok(Value::Text(self.at - length..self.at))
    }

    /// An integer of any length. One with more than 16 bytes cannot be a size or an offset, so its value is not kept.
    fn long(&mut self, width: usize) -> Result<Value, String> {
        let length = self.number(width)? as usize;
        let bytes = self.take(length)?;
        if length > 16 {
            return Ok(Value::Other);
        }
        let sign = if bytes.last().is_some_and(|&last| last >= 0x80) { -1 } else { 0 };
        Ok(Value::Int(bytes.iter().rev().fold(sign, |number, &byte| number << 8 | i128::from(byte))))
    }

    /// An integer in digits, as protocols 0 and 1 write it.
    fn decimal(&mut self) -> Result<Value, String> {
        let line = self.line()?;
        let digits = std::str::from_utf8(&self.bytes[line]).unwrap_or_default().trim_end_matches('L');
        Ok(digits.parse().map_or(Value::Other, Value::Int))
    }

    /// Op-codes that make or fill containers.
    fn container(&mut self, code: u8) -> Result<bool, String> {
        match code {
            b't' => {
                let items = self.pop_to_mark()?;
                self.push(Value::Tuple(items))?;
            }
            0x85..=0x87 => {
                let count = usize::from(code - 0x84);
                let first = self.stack.len().checked_sub(count).ok_or("takes values that are not there")?;
                let items = self.stack.split_off(first);
                self.push(Value::Tuple(items))?;
            }
            b'l' => {
                let items = self.pop_to_mark()?;
                self.push(Value::List(items))?;
            }
            b'a' => {
                let item = self.pop()?;
                self.append(&[item])?;
            }
            b'e' => {
                let items = self.pop_to_mark()?;
                self.append(&items)?;
            }
            b'd' => {
                let items = self.pop_to_mark()?;
                self.push(Value::Dict(Vec::new()))?;
                self.set(&items)?;
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set(&[key, value])?;
            }
            b'u' => {
                let items = self.pop_to_mark()?;
                self.set(&items)?;
            }
            // The members of a set are dropped: no tensor is among them.
            0x90 => drop(self.pop_to_mark()?),
            0x91 => {
                self.pop_to_mark()?;
                self.push(Value::Other)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn top(&mut self) -> Result<&mut Value, String> {
        let top = *self.stack.last().ok_or("fills a container that is not there")?;
        Ok(&mut self.values[top as usize])
    }

    /// Appends to the list on top of the stack. Items appended to any other value are dropped: no tensor depends on them.
    fn append(&mut self, items: &[Index]) -> Result<(), String> {
        if let Value::List(list) = self.top()? {
            list.extend(items);
        }
        Ok(())
    }

    fn set(&mut self, items: &[Index]) -> Result<(), String> {
        if let Value::Dict(dict) = self.top()? {
            dict.extend(items.chunks_exact(2).map(|pair| (pair[0], pair[1])));
        }
        Ok(())
    }

    /// Op-codes about the stack and the memo, and those that only frame other op-codes.
    fn recall(&mut self, code: u8) -> Result<bool, String> {
        match code {
            0x80 => drop(self.take(1)?),
            0x95 => drop(self.take(8)?),
            0x98 => {}
            b'0' => drop(self.pop()?),
            b'1' => drop(self.pop_to_mark()?),
            b'2' => {
                let top = self.pop()?;
                self.stack.extend([top, top]);
            }
            b'p' | b'g' => {
                let line = self.line()?;
                let key = std::str::from_utf8(&self.bytes[line]).ok().and_then(|digits| digits.parse().ok());
                self.remember(code == b'p', key.ok_or("names a place of its memo that is no number")?)?;
            }
            b'q' | b'h' => {
                let key = self.number(1)?;
                self.remember(code == b'q', key)?;
            }
            b'r' | b'j' => {
                let key = self.number(4)?;
                self.remember(code == b'r', key)?;
            }
            0x94 => self.remember(true, self.memo.len() as u64)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Op-codes about classes, calls and persistent ids.
    fn call_code(&mut self, code: u8) -> Result<bool, String> {
        match code {
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                self.push(Value::Global(module, name))?;
            }
            b'P' => {
                let line = self.line()?;
                self.push(Value::Text(line))?;
                self.persistent()?;
            }
            b'Q' => self.persistent()?,
            b'R' | 0x81 => {
                let (arguments, callable) = (self.pop()?, self.pop()?);
                self.call(callable, arguments)?;
            }
            0x92 => {
                let (_, arguments, class) = (self.pop()?, self.pop()?, self.pop()?);
                self.call(class, arguments)?;
            }
            b'b' => {
                let state = self.pop()?;
                if let Some(object) = self.stack.last() {
                    self.states.insert(*object, state);
                }
            }
            b'o' | b'i' => {
                if code == b'i' {
                    let (module, name) = (self.line()?, self.line()?);
                    self.push_global(module, name)?;
                    self.pop()?;
                }
                self.pop_to_mark()?;
                self.push(Value::Other)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn persistent(&mut self) -> Result<(), String> {
        let id = self.pop()?;
        self.push(Value::Persistent(id))
    }

    fn remember(&mut self, put: bool, key: u64) -> Result<(), String> {
        if put {
            let top = *self.stack.last().ok_or("remembers a value that is not there")?;
            self.memo.insert(key, top);
        } else {
            let known = *self.memo.get(&key).ok_or_else(|| format!("recalls value {key}, which it never named"))?;
            self.stack.push(known);
        }
        Ok(())
    }

    /// Keeps a call as a value; a call that makes a dict gives an empty dict, which is filled afterwards.
    fn call(&mut self, callable: Index, arguments: Index) -> Result<(), String> {
        let name = |index: Index| match &self.values[index as usize] {
            Value::Text(range) => &self.bytes[range.clone()],
            _ => &[],
        };
        let makes_dict = match self.values[callable as usize] {
            Value::Global(_, class) => [&b"OrderedDict"[..], b"defaultdict", b"dict"].contains(&name(class)),
            _ => false,
        };
        self.push(if makes_dict { Value::Dict(Vec::new()) } else { Value::Call(callable, arguments) })
    }
}
