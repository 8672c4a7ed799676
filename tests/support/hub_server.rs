//! A hub on this machine: two ports, one for the hub and one for the servers that hold its large files, with every fault that a test
//! asks for. It records who asked for what.

#![allow(dead_code)] // each of the two test programs uses a part of it
#![allow(clippy::struct_excessive_bools)] // faults are there or not

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs::File,
    io::{Read, Seek, SeekFrom, Write},
    net::{Shutdown, TcpListener, TcpStream},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The first commit of every repository; later ones count up.
pub(crate) const COMMIT: &str = "1111111111111111111111111111111111111111";

/// What a file holds.
#[derive(Clone)]
pub(crate) enum Content {
    Bytes(Vec<u8>),
    /// Too large for memory: a file on the disk, which may have holes. Its hash is made up.
    Disk(PathBuf),
}

/// A file with the hash that the hub calls it by.
#[derive(Clone)]
pub(crate) struct Stored {
    pub(crate) content: Content,
    pub(crate) size: u64,
    pub(crate) blob: String,
    pub(crate) is_lfs: bool,
}

impl Stored {
    pub(crate) fn new(path: &str, content: Content) -> Self {
        let ending = path.rsplit('.').next().unwrap();
        let is_lfs = ["bin", "safetensors", "model", "zip"].contains(&ending) || path == "tokenizer.json";
        let size = match &content {
            Content::Bytes(bytes) => bytes.len() as u64,
            Content::Disk(path) => path.metadata().unwrap().len(),
        };
        let blob = match &content {
            Content::Bytes(bytes) if is_lfs => hexadecimal(&Sha256::digest(bytes)),
            Content::Bytes(bytes) => {
                use sha1::Digest as _;
                let whole = [format!("blob {size}\0").as_bytes(), bytes].concat();
                hexadecimal(&sha1::Sha1::digest(whole))
            }
            Content::Disk(path) => hexadecimal(&Sha256::digest(path.to_string_lossy().as_bytes())),
        };
        Self { content, size, blob, is_lfs }
    }

    fn read(&self, start: u64, count: u64) -> Vec<u8> {
        match &self.content {
            Content::Bytes(bytes) => bytes[start as usize..(start + count) as usize].to_vec(),
            Content::Disk(path) => {
                let mut file = File::open(path).unwrap();
                file.seek(SeekFrom::Start(start)).unwrap();
                let mut bytes = vec![0; count as usize];
                file.read_exact(&mut bytes).unwrap();
                bytes
            }
        }
    }
}

/// Files of one commit.
pub(crate) type Tree = BTreeMap<String, Stored>;

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Whether it came to the servers of large files.
    pub(crate) cdn: bool,
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: BTreeMap<String, String>,
}

impl Seen {
    /// The first byte that was asked for.
    pub(crate) fn first_byte(&self) -> Option<u64> {
        self.headers.get("range")?.strip_prefix("bytes=")?.split('-').next()?.parse().ok()
    }
}

/// An answer in place of the real one.
#[derive(Clone, Debug)]
pub(crate) struct Refuse {
    /// What the target must contain.
    pub(crate) target: &'static str,
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    /// How often.
    pub(crate) times: usize,
}

/// What goes wrong.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults {
    /// Repositories in another spelling are redirected by a relative address.
    pub(crate) respell: bool,
    /// Ranges are ignored: the whole file is sent with 200.
    pub(crate) no_ranges: bool,
    /// Bytes are compressed if the client takes that; `true` also if it does not.
    pub(crate) gzip: Option<bool>,
    pub(crate) no_etag: bool,
    pub(crate) no_content_range: bool,
    pub(crate) no_linked_size: bool,
    /// Large files are cut after so many bytes of an answer, so often: the connection ends.
    pub(crate) cut: Option<(u64, usize)>,
    /// The same, but the connection is reset.
    pub(crate) reset: Option<(u64, usize)>,
    /// The same, but nothing more comes.
    pub(crate) stall: Option<(u64, usize)>,
    /// The byte at this position of large files is another one, so often.
    pub(crate) flip: Option<(u64, usize)>,
    pub(crate) refuse: Vec<Refuse>,
    /// A signed link is good for so many requests.
    pub(crate) link_uses: Option<usize>,
    /// `main` moves to the next commit after so many requests to the hub.
    pub(crate) main_moves_after: Option<usize>,
    /// Entries of a tree on one page.
    pub(crate) page: Option<usize>,
    /// The size that lists and headers say, whatever it is.
    pub(crate) lie_about_size: Option<u64>,
    /// `X-Repo-Commit` of answers about large files.
    pub(crate) other_commit: bool,
    /// A path in the list that no repository can have.
    pub(crate) hostile_path: Option<&'static str>,
    /// Bytes a second of large files, roughly.
    pub(crate) slow: Option<u64>,
}

struct State {
    name: String,
    commits: Vec<(String, Tree)>,
    main: usize,
    pull_request: Option<usize>,
    /// Branches beside `main`, each with its commit.
    branches: Vec<(String, usize)>,
    faults: Faults,
    seen: Vec<Seen>,
    links: Vec<usize>,
    ports: [u16; 2],
    token: Option<String>,
}

/// A hub with one repository.
#[derive(Clone)]
pub(crate) struct HubServer {
    pub(crate) endpoint: String,
    state: Arc<Mutex<State>>,
}

impl HubServer {
    /// A hub with a repository of these files at its first commit.
    pub(crate) fn with(name: &str, files: &[(&str, Vec<u8>)]) -> Self {
        let stored =
            files.iter().map(|(path, bytes)| ((*path).to_owned(), Stored::new(path, Content::Bytes(bytes.clone()))));
        Self::start(name, stored.collect())
    }

    pub(crate) fn start(name: &str, tree: Tree) -> Self {
        let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let ports = [0, 1].map(|at: usize| listeners[at].local_addr().unwrap().port());
        let state = Arc::new(Mutex::new(State {
            name: name.to_owned(),
            commits: vec![(COMMIT.to_owned(), tree)],
            main: 0,
            pull_request: None,
            branches: Vec::new(),
            faults: Faults::default(),
            seen: Vec::new(),
            links: Vec::new(),
            ports,
            token: None,
        }));
        for (listener, cdn) in listeners.into_iter().zip([false, true]) {
            let state = Arc::clone(&state);
            std::thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    let state = Arc::clone(&state);
                    std::thread::spawn(move || while serve(&stream, &state, cdn).is_some() {});
                }
            });
        }
        Self { endpoint: format!("http://127.0.0.1:{}", ports[0]), state }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(crate) fn faults(&self, faults: Faults) {
        self.state().faults = faults;
    }

    /// Adds a commit, which is not that of `main`; returns its hash.
    pub(crate) fn commit(&self, files: &[(&str, Vec<u8>)]) -> String {
        let mut state = self.state();
        let commit = format!("{}", state.commits.len() + 1).repeat(40);
        let stored =
            files.iter().map(|(path, bytes)| ((*path).to_owned(), Stored::new(path, Content::Bytes(bytes.clone()))));
        state.commits.push((commit.clone(), stored.collect()));
        commit
    }

    /// Adds a branch with a commit of these files.
    pub(crate) fn branch(&self, name: &str, tree: Tree) {
        let mut state = self.state();
        let at = state.commits.len();
        state.commits.push((format!("{}", at + 1).repeat(40), tree));
        state.branches.push((name.to_owned(), at));
    }

    /// The last commit is pull request 1.
    pub(crate) fn pull_request(&self) {
        let mut state = self.state();
        state.pull_request = Some(state.commits.len() - 1);
    }

    /// From now on only who has this token may read.
    pub(crate) fn private(&self, token: &str) {
        self.state().token = Some(token.to_owned());
    }

    /// All requests so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.state().seen.clone()
    }

    pub(crate) fn forget(&self) {
        self.state().seen.clear();
    }

    /// What a file is called among the blobs.
    pub(crate) fn blob(&self, path: &str) -> String {
        self.state().commits[0].1[path].blob.clone()
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// Takes one of so many times.
fn takes(fault: &mut Option<(u64, usize)>) -> Option<u64> {
    let (value, times) = fault.as_mut().filter(|(_, times)| *times > 0)?;
    *times -= 1;
    Some(*value)
}

/// Reads a request up to its last byte but one: with that byte unread, closing the connection resets it.
fn read_request(stream: &TcpStream, cdn: bool) -> Option<Seen> {
    let (mut text, mut byte) = (Vec::new(), [0]);
    while !text.ends_with(b"\r\n\r") {
        let mut reader = stream;
        reader.read_exact(&mut byte).ok()?;
        text.push(byte[0]);
    }
    let text = String::from_utf8_lossy(&text).into_owned();
    let mut lines = text.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers =
        lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    Some(Seen { cdn, method, target, headers: headers.collect() })
}

/// What is sent: the whole, or the head with a body that a fault may end early.
struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    end: End,
}

enum End {
    Whole,
    Cut(u64),
    Reset(u64),
    Stall(u64),
    Slow(u64),
}

impl Reply {
    fn new(status: u16, headers: &[(&str, String)], body: Vec<u8>) -> Self {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        Self { status, headers, body, end: End::Whole }
    }

    fn json(value: &Value) -> Self {
        Self::new(200, &[("Content-Type", "application/json".to_owned())], value.to_string().into_bytes())
    }

    fn refusal(status: u16, code: &str) -> Self {
        Self::new(
            status,
            &[("X-Error-Code", code.to_owned()), ("X-Error-Message", format!("a test says {code}"))],
            Vec::new(),
        )
    }
}

/// Answers one request; `None` ends the connection.
fn serve(stream: &TcpStream, state: &Mutex<State>, cdn: bool) -> Option<()> {
    let request = read_request(stream, cdn)?;
    let head_only = request.method == "HEAD";
    let reply = {
        let mut state = state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        state.seen.push(request.clone());
        answer(&mut state, &request)
    };
    let mut head = format!("HTTP/1.1 {} X\r\n", reply.status);
    for (name, value) in &reply.headers {
        write!(head, "{name}: {value}\r\n").unwrap();
    }
    if !reply.headers.iter().any(|(name, _)| name == "Content-Length") {
        write!(head, "Content-Length: {}\r\n", reply.body.len()).unwrap();
    }
    head.push_str("\r\n");
    let mut writer = stream;
    writer.write_all(head.as_bytes()).ok()?;
    if !head_only {
        let (count, pause) = match reply.end {
            End::Whole | End::Slow(_) => (reply.body.len(), None),
            End::Cut(count) | End::Reset(count) => ((count as usize).min(reply.body.len()), None),
            End::Stall(count) => ((count as usize).min(reply.body.len()), Some(Duration::from_secs(3))),
        };
        let step = if let End::Slow(speed) = reply.end { (speed / 20).max(1) as usize } else { usize::MAX };
        for block in reply.body[..count].chunks(step.min(count.max(1))) {
            writer.write_all(block).ok()?;
            if matches!(reply.end, End::Slow(_)) {
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        pause.inspect(|time| std::thread::sleep(*time));
    }
    match reply.end {
        End::Whole | End::Slow(_) => {
            let mut last = [0];
            let mut reader = stream;
            reader.read_exact(&mut last).ok()
        }
        End::Reset(_) => {
            // What was sent should arrive before the reset does.
            std::thread::sleep(Duration::from_millis(50));
            None
        }
        End::Cut(_) | End::Stall(_) => {
            let mut last = [0];
            let mut reader = stream;
            let _ = reader.read_exact(&mut last);
            let _ = stream.shutdown(Shutdown::Both);
            None
        }
    }
}

fn answer(state: &mut State, request: &Seen) -> Reply {
    let refusal = state.faults.refuse.iter_mut().find(|own| own.times > 0 && request.target.contains(own.target));
    if let Some(refusal) = refusal {
        refusal.times -= 1;
        let headers: Vec<(&str, String)> = refusal.headers.clone();
        return Reply::new(refusal.status, &headers, Vec::new());
    }
    if request.cdn {
        return from_cdn(state, request);
    }
    let asked = state.seen.iter().filter(|seen| !seen.cdn).count();
    if state.faults.main_moves_after.is_some_and(|after| asked > after) {
        state.main = state.commits.len() - 1;
    }
    let wanted = state.token.as_ref().map(|token| format!("Bearer {token}"));
    if wanted.is_some_and(|wanted| request.headers.get("authorization") != Some(&wanted)) {
        return Reply::refusal(401, "RepoNotFound");
    }
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    let name = state.name.clone();
    let (api, resolve) = (format!("/api/models/{name}/"), format!("/{name}/resolve/"));
    if state.faults.respell && path.to_lowercase().contains(&name.to_lowercase()) && !path.contains(&name) {
        let at = path.to_lowercase().find(&name.to_lowercase()).unwrap();
        let target = format!("{}{name}{}", &request.target[..at], &request.target[at + name.len()..]);
        return Reply::new(307, &[("Location", target)], Vec::new());
    }
    match (path.strip_prefix(&api), path.strip_prefix(&resolve)) {
        (Some(rest), _) => about(state, rest, query),
        (_, Some(rest)) => resolved(state, request, rest),
        _ => Reply::refusal(404, "RepoNotFound"),
    }
}

/// The commit that a revision is.
fn commit_of(state: &State, revision: &str) -> Option<usize> {
    match revision {
        "main" => Some(state.main),
        "refs%2Fpr%2F1" => state.pull_request,
        other => {
            let branch = state.branches.iter().find(|(name, _)| name == other).map(|(_, at)| *at);
            branch.or_else(|| state.commits.iter().position(|(commit, _)| commit == other))
        }
    }
}

fn about(state: &State, rest: &str, query: &str) -> Reply {
    if rest == "refs" {
        let commit = |at: usize| state.commits[at].0.clone();
        let pulls = state.pull_request.map(|at| json!({"name": "1", "ref": "refs/pr/1", "targetCommit": commit(at)}));
        let others = state.branches.iter().map(|(name, at)| (name.as_str(), *at));
        let branches = std::iter::once(("main", state.main))
            .chain(others)
            .map(|(name, at)| json!({"name": name, "ref": format!("refs/heads/{name}"), "targetCommit": commit(at)}));
        return Reply::json(&json!({
            "branches": branches.collect::<Vec<_>>(),
            "tags": [],
            "pullRequests": pulls.into_iter().collect::<Vec<_>>(),
        }));
    }
    let Some((what, revision)) = rest.split_once('/') else { return Reply::refusal(404, "RepoNotFound") };
    let Some(at) = commit_of(state, revision) else { return Reply::refusal(404, "RevisionNotFound") };
    let (commit, tree) = &state.commits[at];
    if what == "revision" {
        return Reply::json(&json!({"id": state.name, "sha": commit, "siblings": []}));
    }
    let entry = |(path, file): (&String, &Stored)| {
        let size = state.faults.lie_about_size.filter(|_| file.is_lfs).unwrap_or(file.size);
        if file.is_lfs {
            let lfs = json!({"oid": file.blob, "size": size, "pointerSize": 134});
            json!({"type": "file", "oid": COMMIT, "size": size, "path": path, "lfs": lfs, "xetHash": file.blob})
        } else {
            json!({"type": "file", "oid": file.blob, "size": size, "path": path})
        }
    };
    let mut entries = vec![json!({"type": "directory", "oid": COMMIT, "size": 0, "path": "folder"})];
    entries.extend(tree.iter().map(entry));
    entries
        .extend(state.faults.hostile_path.map(|path| json!({"type": "file", "oid": COMMIT, "size": 1, "path": path})));
    let page = state.faults.page.unwrap_or(usize::MAX);
    let first: usize = query.split("cursor=").nth(1).map_or(0, |cursor| cursor.parse().unwrap());
    let end = first.saturating_add(page).min(entries.len());
    let mut reply = Reply::json(&Value::Array(entries[first..end].to_vec()));
    if end < entries.len() {
        let next = format!(
            "<http://127.0.0.1:{}/api/models/{}/{rest}?recursive=true&cursor={end}>; rel=\"next\"",
            state.ports[0], state.name
        );
        reply.headers.push(("Link".to_owned(), next));
    }
    reply
}

fn resolved(state: &mut State, request: &Seen, rest: &str) -> Reply {
    let Some((revision, path)) = rest.split_once('/') else { return Reply::refusal(404, "EntryNotFound") };
    let Some(at) = commit_of(state, revision) else { return Reply::refusal(404, "RevisionNotFound") };
    let path = path.replace("%20", " ");
    let Some(file) = state.commits[at].1.get(&path).cloned() else { return Reply::refusal(404, "EntryNotFound") };
    let commit = if state.faults.other_commit { "9".repeat(40) } else { state.commits[at].0.clone() };
    let mut headers = vec![("X-Repo-Commit", commit)];
    if !file.is_lfs {
        headers.push(("ETag", format!("\"{}\"", file.blob)));
        let mut reply = bytes_of(&file, request, &state.faults);
        reply.headers.extend(headers.into_iter().map(|(name, value)| (name.to_owned(), value)));
        return reply;
    }
    state.links.push(0);
    let spelled = path.replace(' ', "%20");
    let link =
        format!("http://127.0.0.1:{}/{}/{at}/{spelled}?sig={}", state.ports[1], state.name, state.links.len() - 1);
    headers.push(("Location", link));
    if !state.faults.no_etag {
        headers.push(("X-Linked-ETag", format!("\"{}\"", file.blob)));
        headers.push(("ETag", "\"of the redirect\"".to_owned()));
    }
    if !state.faults.no_linked_size {
        headers.push(("X-Linked-Size", state.faults.lie_about_size.unwrap_or(file.size).to_string()));
    }
    Reply::new(302, &headers, b"Found. Redirecting".to_vec())
}

fn from_cdn(state: &mut State, request: &Seen) -> Reply {
    let (path, query) = request.target.split_once("?sig=").unwrap();
    let sig: usize = query.parse().unwrap();
    state.links[sig] += 1;
    if state.faults.link_uses.is_some_and(|uses| state.links[sig] > uses) {
        return Reply::new(403, &[("Content-Type", "application/xml".to_owned())], b"<Error>expired</Error>".to_vec());
    }
    let rest = path.strip_prefix(&format!("/{}/", state.name)).unwrap();
    let (at, path) = rest.split_once('/').unwrap();
    let file = state.commits[at.parse::<usize>().unwrap()].1[&path.replace("%20", " ")].clone();
    let mut reply = bytes_of(&file, request, &state.faults);
    let start = request.first_byte().filter(|_| reply.status == 206).unwrap_or(0);
    let faults = &mut state.faults;
    let flipped = faults.flip.filter(|(at, _)| (start..start + reply.body.len() as u64).contains(at));
    if flipped.is_some()
        && let Some(at) = takes(&mut faults.flip)
    {
        reply.body[(at - start) as usize] ^= 1;
    }
    if reply.status >= 300 || request.method == "HEAD" {
        return reply;
    }
    if let Some(count) = takes(&mut faults.cut) {
        reply.end = End::Cut(count);
    } else if let Some(count) = takes(&mut faults.reset) {
        reply.end = End::Reset(count);
    } else if let Some(count) = takes(&mut faults.stall) {
        reply.end = End::Stall(count);
    } else if let Some(speed) = faults.slow {
        reply.end = End::Slow(speed);
    }
    reply
}

/// A file, or the range of it that was asked for.
fn bytes_of(file: &Stored, request: &Seen, faults: &Faults) -> Reply {
    let range = request.headers.get("range").filter(|_| !faults.no_ranges);
    let asked = range.and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
    let (start, end) = match asked {
        Some((start, end)) => {
            (start.parse().unwrap(), end.parse::<u64>().map_or(file.size, |last| (last + 1).min(file.size)))
        }
        None => (0, file.size),
    };
    if asked.is_some() && start >= file.size {
        return Reply::new(416, &[("Content-Range", format!("bytes */{}", file.size))], Vec::new());
    }
    let head_only = request.method == "HEAD";
    let body = if head_only { Vec::new() } else { file.read(start, end - start) };
    let mut headers = vec![("Accept-Ranges", "bytes".to_owned())];
    if head_only {
        headers.push(("Content-Length", file.size.to_string()));
    }
    let takes_gzip = request.headers.get("accept-encoding").is_some_and(|own| own.contains("gzip"));
    if faults.gzip.is_some_and(|always| always || takes_gzip) {
        headers.push(("Content-Encoding", "gzip".to_owned()));
    }
    if asked.is_some() && !faults.no_content_range {
        headers.push(("Content-Range", format!("bytes {start}-{}/{}", end - 1, file.size)));
    }
    Reply::new(if asked.is_some() { 206 } else { 200 }, &headers, body)
}
