//! One thing that is wrong in a file, and where.

use serde::Serialize;

use crate::domain::naming::{NameError, Warning};

use super::tree::At;

/// How much it matters. Only errors make a command fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The API server or the operator would refuse it.
    Error,
    /// It is accepted, and a person should look at it.
    Warning,
}

impl Severity {
    /// The text in every output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// File, as it was named.
    pub file: String,
    /// Line of the field, from 1.
    pub line: usize,
    /// Column of the field in characters, from 1.
    pub column: usize,
    /// Field, for example `spec.basis.date`; empty where the whole file or document is meant.
    pub path: String,
    /// Stable code.
    pub code: &'static str,
    /// Article or decision; empty where it is a matter of YAML or Kubernetes.
    pub rule: String,
    /// What is wrong and what to do.
    pub message: String,
    /// The same in Vietnamese.
    pub message_vi: String,
}

impl Finding {
    /// An error at the start of `file`; `at` and `field` say more.
    pub fn error(file: &str, code: Code, message: impl Into<String>, message_vi: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            file: file.into(),
            line: 1,
            column: 1,
            path: String::new(),
            code: code.as_str(),
            rule: String::new(),
            message: message.into(),
            message_vi: message_vi.into(),
        }
    }

    /// A name or an address that the rules refuse.
    pub fn refused(file: &str, at: At, error: NameError) -> Self {
        Self {
            severity: Severity::Error,
            file: file.into(),
            line: at.line,
            column: at.column,
            path: error.path,
            code: error.code,
            rule: error.rule.into(),
            message: error.message,
            message_vi: error.message_vi,
        }
    }

    /// A name that the rules accept with a warning.
    pub fn warned(file: &str, at: At, warning: Warning) -> Self {
        Self {
            severity: Severity::Warning,
            file: file.into(),
            line: at.line,
            column: at.column,
            path: warning.path,
            code: warning.code,
            rule: warning.rule.into(),
            message: warning.message,
            message_vi: warning.message_vi,
        }
    }

    /// At this place.
    #[must_use]
    pub fn at(mut self, at: At) -> Self {
        (self.line, self.column) = (at.line, at.column);
        self
    }

    /// Of this field.
    #[must_use]
    pub fn field(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// By this article or decision.
    #[must_use]
    pub fn by(mut self, rule: impl Into<String>) -> Self {
        self.rule = rule.into();
        self
    }

    /// As a warning.
    #[must_use]
    pub fn as_warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// Codes of findings beside those that the rules of names bring: stable, PascalCase.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Code { $($(#[doc = $doc])+ $name,)+ }
        impl Code {
            /// Every code with what it means, for `docs/reference/codes.md`.
            pub const ALL: &'static [(Code, &'static str)] = &[$((Code::$name, concat!($($doc),+)),)+];
            /// The text of the code.
            pub fn as_str(self) -> &'static str { match self { $(Code::$name => stringify!($name),)+ } }
        }
    };
}

codes! {
    /// A file cannot be read.
    FileUnreadable,
    /// A file is larger than 1 MiB.
    FileTooLarge,
    /// A symbolic link leads back to a folder above it.
    SymlinkLoop,
    /// A file is UTF-16.
    Utf16,
    /// A file holds bytes that are no text.
    BinaryFile,
    /// A file is not UTF-8.
    NotUtf8,
    /// A file is not YAML.
    NotYaml,
    /// A tab stands in the indentation.
    TabIndentation,
    /// A key stands twice in one mapping.
    DuplicateKey,
    /// A document has more nodes or levels than anything that people write.
    DocumentTooLarge,
    /// apiVersion is none of ours although kind is.
    UnknownVersion,
    /// kind does not exist, or only the operator writes it.
    UnknownKind,
    /// There is no such field.
    UnknownField,
    /// A field that must be there is missing.
    MissingField,
    /// A value has another type than its field.
    WrongType,
    /// A word that YAML takes for true, false or nothing stands where text belongs.
    UnquotedWord,
    /// A value is none of those that are allowed.
    NotAllowed,
    /// A text, list or number is too short, too long, too small or too large.
    OutOfRange,
    /// A list has one value twice.
    DuplicateValue,
    /// A date does not exist or is written in another way than YYYY-MM-DD.
    InvalidDate,
    /// A document is dated after today, or was received then.
    DateToCome,
    /// spec.endsOn has come, and nothing in the file says that an account was issued before.
    EndedBefore,
    /// spec.state: Revoked ends the account, and no document of the end is named in spec.ending.
    EndWithoutDocument,
    /// A day of a WorkCalendar changes nothing, or stands in both lists.
    NeedlessDay,
    /// The operator writes such objects by itself.
    WrittenByOperator,
    /// metadata.name is no name of a Kubernetes object.
    InvalidObjectName,
    /// A rule of the kind (CEL) is broken; the message names it.
    RuleBroken,
    /// Two objects of one kind, namespace and name.
    DuplicateObject,
    /// A reference names an object that is not in the tree.
    ReferenceNotFound,
    /// Parents of agencies form a circle or are nested too deep.
    ParentCycle,
    /// Successors lead back to the Mailbox: once all of them are revoked, mail goes to nobody.
    SuccessorCircle,
    /// The local part is reserved for the system's own use.
    ReservedLocalPart,
    /// Two objects of the tree want the same address.
    Conflict,
    /// The address cannot be written into the file by `pin`.
    NotPinnable,
    /// spec.localPart is missing and `pin` would write it.
    NotPinned,
}
