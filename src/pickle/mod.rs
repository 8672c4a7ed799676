//! Python pickles as `torch.save` writes them, and the tensors in them, as plain data: no code of a file is ever run.

mod archive;
mod machine;
mod read_pickle;
mod tensor;
mod value;

pub(crate) use self::{
    archive::{LOCAL_HEADER, StoredEntry, TorchArchive},
    read_pickle::{MAX_PICKLE, Pickle},
    tensor::{StorageView, storage},
    value::{Index, Value},
};
