//! One whole file into the cache: what is there is not fetched again, and what has arrived is checked.

use super::{cache::Cache, part::Part, source::Source};
use crate::error::{Error, Result, one_line};

impl Source {
    /// Sees to it that the snapshot of the commit has the file. `moved` is called with the number of bytes of every block that
    /// arrives, and with negative ones if they have to come again.
    ///
    /// # Errors
    /// The hub does not give it, the cache cannot take it, its hash is another one; [`Error::Interrupted`].
    pub(super) fn download(&self, cache: &Cache, moved: &dyn Fn(i64)) -> Result<()> {
        if cache.has(&self.commit, &self.file) {
            return Ok(());
        }
        if !cache.has_blob(&self.file) {
            self.download_blob(cache, moved)?;
        }
        cache.link(&self.commit, &self.file)
    }

    fn download_blob(&self, cache: &Cache, moved: &dyn Fn(i64)) -> Result<()> {
        loop {
            let Some(part) = Part::open(cache, &self.file, &self.client)? else { return Ok(()) };
            let was_taken_up = part.length() > 0;
            let hash_name = if self.file.sha256().is_some() { "SHA-256" } else { "git hash" };
            let part = self.complete(part, moved)?;
            let length = part.length();
            let Some(found) = part.finish(cache, &self.file)? else { return Ok(()) };
            moved(-(length as i64));
            if was_taken_up {
                // What lay on the disk may be damaged by a crash of the machine; what arrives now is not.
                continue;
            }
            return Err(Error::hub(
                format!(
                    "what arrived as `{}` of {} has {hash_name} {found}; the hub says {}: it was removed",
                    one_line(&self.file.path),
                    self.repository,
                    self.file.blob
                ),
                "run it again; if it repeats, a proxy or a mirror changes the bytes",
            ));
        }
    }

    /// Fetches what is missing of a part.
    fn complete(&self, mut part: Part, moved: &dyn Fn(i64)) -> Result<Part> {
        let size = self.file.size;
        self.pour(part.length()..size, true, &mut |position, bytes| {
            if position < part.length() {
                moved(-(part.length() as i64));
                part.begin_anew(&self.file);
            }
            part.append(bytes)?;
            moved(bytes.len() as i64);
            Ok(())
        })?;
        Ok(part)
    }
}
