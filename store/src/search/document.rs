//! What the index keeps of a message, and what can be asked about it.

use std::fmt;

use tantivy::index::IndexSettings;
use tantivy::index::{IndexSortByField, Order as SortOrder};
use tantivy::schema::{
    Document, Field, IndexRecordOption, NumericOptions, OwnedValue, Schema, TantivyDocument, TextFieldIndexing,
    TextOptions, Value,
};
use tantivy::store::Compressor;

/// Name under which the tokenizer is registered.
pub(super) const TOKENIZER: &str = "message";

/// Address of an event, chosen by the caller; of two hits of one time, the higher one comes first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocRef(pub [u8; 24]);

impl fmt::Debug for DocRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DocRef(")?;
        for byte in self.0 {
            write!(f, "{byte:02x}")?;
        }
        f.write_str(")")
    }
}

impl DocRef {
    /// The number that stands for this address in the index; several addresses may share one.
    pub(super) fn hash(&self) -> u64 {
        let hash = blake3::hash(&self.0);
        let [a, b, c, d, ..] = *hash.as_bytes();
        u64::from(u32::from_le_bytes([a, b, c, d]))
    }
}

/// A message as it goes into the index. Its text is indexed, not kept.
#[derive(Clone, Copy)]
pub struct IndexDoc<'a> {
    /// Where the message is.
    pub doc: DocRef,
    /// Local number of the conversation.
    pub conversation: u32,
    /// Local number of the author.
    pub author: u32,
    /// Kind of the message, as the caller counts them.
    pub kind: u8,
    /// Time of the message in milliseconds since the epoch; the same whenever this `doc` is added.
    pub clock_ms: u64,
    /// What is searched.
    pub text: &'a str,
}

impl fmt::Debug for IndexDoc<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IndexDoc")
            .field("doc", &self.doc)
            .finish_non_exhaustive()
    }
}

/// Which messages count; every given condition must hold.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// In one of these conversations.
    pub conversations: Option<Vec<u32>>,
    /// By one of these authors.
    pub authors: Option<Vec<u32>>,
    /// Of one of these kinds.
    pub kinds: Option<Vec<u8>>,
    /// At this time or later.
    pub after_ms: Option<u64>,
    /// Before this time.
    pub before_ms: Option<u64>,
}

impl Filter {
    /// Whether a message passes.
    pub fn accepts(&self, doc: &IndexDoc<'_>) -> bool {
        fn one_of<T: PartialEq>(allowed: &Option<Vec<T>>, value: &T) -> bool {
            allowed.as_ref().is_none_or(|allowed| allowed.contains(value))
        }
        one_of(&self.conversations, &doc.conversation)
            && one_of(&self.authors, &doc.author)
            && one_of(&self.kinds, &doc.kind)
            && self.after_ms.is_none_or(|after| doc.clock_ms >= after)
            && self.before_ms.is_none_or(|before| doc.clock_ms < before)
    }
}

/// In which order hits come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// By time, newest first; of one time, by descending address. Messages that match only with
    /// typos are found only if no message matches exactly.
    Newest,
    /// By how well the message fits (BM25), best first, among the newest 200 that match; what is older comes after those, ranked
    /// among the next so many. Messages that match only with typos come
    /// after all that match exactly. Queries whose hits all fit equally well (prefixes alone)
    /// come newest first.
    Ranked,
}

/// A found message.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// Where the message is.
    pub doc: DocRef,
    /// Its time.
    pub clock_ms: u64,
    /// How well it fits, higher is better; 0 where the order is by time.
    pub score: f32,
    /// Whether it matches without typos.
    pub exact: bool,
}

/// The fields of the index.
#[derive(Clone, Copy)]
pub(super) struct Fields {
    pub(super) text: Field,
    address: Field,
    hash: Field,
    clock: Field,
    conversation: Field,
    author: Field,
    kind: Field,
}

/// Names of the columns that filters and orders read.
pub(super) mod column {
    pub(in super::super) const HASH: &str = "hash";
    pub(in super::super) const CLOCK: &str = "clock";
    pub(in super::super) const CONVERSATION: &str = "conversation";
    pub(in super::super) const AUTHOR: &str = "author";
    pub(in super::super) const KIND: &str = "kind";
}

impl Fields {
    /// The schema and its fields.
    pub(super) fn schema() -> (Schema, Self) {
        let mut schema = Schema::builder();
        let indexing = TextFieldIndexing::default()
            .set_tokenizer(TOKENIZER)
            .set_index_option(IndexRecordOption::WithFreqsAndPositions);
        let mut number = |name| schema.add_u64_field(name, NumericOptions::default().set_fast());
        let (hash, clock) = (number(column::HASH), number(column::CLOCK));
        let (conversation, author) = (number(column::CONVERSATION), number(column::AUTHOR));
        let kind = number(column::KIND);
        let address = schema.add_bytes_field("address", tantivy::schema::STORED);
        let text = schema.add_text_field("text", TextOptions::default().set_indexing_options(indexing));
        let fields = Self {
            text,
            address,
            hash,
            clock,
            conversation,
            author,
            kind,
        };
        (schema.build(), fields)
    }

    /// Newest first within each segment, so that the newest hits are found without reading all.
    pub(super) fn settings() -> IndexSettings {
        IndexSettings {
            sort_by_field: Some(IndexSortByField {
                field: column::CLOCK.to_owned(),
                order: SortOrder::Desc,
            }),
            docstore_compression: Compressor::Lz4,
            docstore_compress_dedicated_thread: false,
            docstore_blocksize: 4096,
            ..IndexSettings::default()
        }
    }

    /// `doc` as tantivy takes it.
    pub(super) fn document(&self, doc: &OwnedDoc) -> Given {
        let mut out = TantivyDocument::new();
        out.add_bytes(self.address, &doc.doc.0);
        out.add_u64(self.hash, doc.doc.hash());
        out.add_u64(self.clock, doc.clock_ms);
        out.add_u64(self.conversation, doc.conversation.into());
        out.add_u64(self.author, doc.author.into());
        out.add_u64(self.kind, doc.kind.into());
        out.add_text(self.text, doc.text.as_str());
        Given(Box::new(out))
    }

    /// The address kept in a stored document.
    pub(super) fn address(&self, document: &TantivyDocument) -> Option<DocRef> {
        let value: OwnedValue = document.get_first(self.address)?.as_value().into();
        match value {
            OwnedValue::Bytes(bytes) => bytes.try_into().ok().map(DocRef),
            _ => None,
        }
    }
}

/// A document as the writer takes it. Its queue has 10 000 places of four documents each, and at a commit there are two: documents
/// are behind pointers, or empty queues alone would take 10 MB.
pub(super) struct Given(Box<TantivyDocument>);

impl Document for Given {
    type Value<'a> = <TantivyDocument as Document>::Value<'a>;
    type FieldsValuesIter<'a> = <TantivyDocument as Document>::FieldsValuesIter<'a>;

    fn iter_fields_and_values(&self) -> Self::FieldsValuesIter<'_> {
        self.0.iter_fields_and_values()
    }

    fn into_tantivy_document(self) -> TantivyDocument {
        *self.0
    }
}

/// An [`IndexDoc`] that waits for its turn; its text is wiped when dropped.
pub(super) struct OwnedDoc {
    pub(super) doc: DocRef,
    pub(super) conversation: u32,
    pub(super) author: u32,
    pub(super) kind: u8,
    pub(super) clock_ms: u64,
    pub(super) text: zeroize::Zeroizing<String>,
}

impl From<&IndexDoc<'_>> for OwnedDoc {
    fn from(doc: &IndexDoc<'_>) -> Self {
        Self {
            doc: doc.doc,
            conversation: doc.conversation,
            author: doc.author,
            kind: doc.kind,
            clock_ms: doc.clock_ms,
            text: zeroize::Zeroizing::new(doc.text.to_owned()),
        }
    }
}
