//! One whole file into the cache: what is there is not fetched again, and what has arrived is checked.

use super::{
    cache::{Cache, UNKNOWN},
    digest::hash_of,
    fault::offline_damaged,
    part::Part,
    ranges::Halt,
    source::Source,
};
use crate::error::{Error, Result, one_line};

impl Source {
    /// Sees to it that the snapshot of the commit has the file, with the bytes that the hub has: what is there is compared with its hash.
    /// `moved` is called with the number of bytes of every block that arrives, and with negative ones if they have to come again.
    ///
    /// # Errors
    /// The hub does not give it, the cache cannot take it, its hash is another one; [`Error::Interrupted`].
    pub(super) fn download(&self, cache: &Cache, halt: &Halt, moved: &dyn Fn(i64)) -> Result<()> {
        self.compare_what_is_there(cache, halt, moved)?;
        if cache.place(&self.commit, &self.file).is_none() {
            self.download_blob(cache, halt, moved)?;
        }
        cache.in_snapshot(&self.commit, &self.file).map(drop)
    }

    /// Removes what is there and has another hash.
    fn compare_what_is_there(&self, cache: &Cache, halt: &Halt, moved: &dyn Fn(i64)) -> Result<()> {
        let Self { file, repository, client, .. } = self;
        let watch = || client.check().and_then(|()| halt.check());
        while let Some(place) = cache.place(&self.commit, file).filter(|_| file.blob != UNKNOWN) {
            let found = hash_of(&place, &file.blob, &watch)?;
            if found == file.blob {
                break;
            }
            let what = format!(
                "`{}` of {repository} in the cache has {} {found}; the hub says {}",
                one_line(&file.path),
                self.hash_name(),
                file.blob
            );
            if client.settings.offline {
                return Err(offline_damaged(&what));
            }
            cache.remove(&place, file)?;
            if cache.place(&self.commit, file).is_none() {
                moved(-i64::try_from(file.size).unwrap_or(i64::MAX));
            }
            client.note(&format!("{what}: it is fetched again"));
        }
        Ok(())
    }

    fn hash_name(&self) -> &'static str {
        if self.file.sha256().is_some() { "SHA-256" } else { "git hash" }
    }

    fn download_blob(&self, cache: &Cache, halt: &Halt, moved: &dyn Fn(i64)) -> Result<()> {
        loop {
            let Some(part) = Part::open(cache, &self.file, &self.client, halt)? else { return Ok(()) };
            let was_taken_up = part.length() > 0;
            let part = self.complete(part, halt, moved)?;
            let length = part.length();
            let Some(found) = part.finish(cache, &self.file)? else { return Ok(()) };
            moved(-(length as i64));
            if was_taken_up {
                // What lay on the disk may be damaged by a crash of the machine; what arrives now is not.
                continue;
            }
            return Err(Error::hub(
                format!(
                    "what arrived as `{}` of {} has {} {found}; the hub says {}: it was removed",
                    one_line(&self.file.path),
                    self.repository,
                    self.hash_name(),
                    self.file.blob
                ),
                "run it again; if it repeats, a proxy or a mirror changes the bytes",
            ));
        }
    }

    /// Fetches what is missing of a part.
    fn complete(&self, mut part: Part, halt: &Halt, moved: &dyn Fn(i64)) -> Result<Part> {
        let size = self.file.size;
        self.pour(part.length()..size, true, &mut |position, bytes| {
            if position < part.length() {
                moved(-(part.length() as i64));
                part.begin_anew(&self.file);
            }
            part.append(bytes)?;
            halt.check()?;
            moved(bytes.len() as i64);
            Ok(())
        })?;
        Ok(part)
    }
}
