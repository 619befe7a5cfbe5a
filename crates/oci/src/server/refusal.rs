//! Errors in the form of the specification ("Error Codes"): a status, a code and a sentence as JSON.

use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde_json::json;

use crate::store::{ImageError, NO_ROOM};

/// The codes of the specification that this registry gives, and `INTERNAL` for what the specification has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    BlobUnknown,
    BlobUploadInvalid,
    BlobUploadUnknown,
    RangeInvalid,
    DigestInvalid,
    ManifestBlobUnknown,
    ManifestInvalid,
    ManifestTooLarge,
    ManifestUnknown,
    NameInvalid,
    NameUnknown,
    SizeInvalid,
    Unauthorized,
    Denied,
    Unsupported,
    TooManyRequests,
    Internal,
}

impl Code {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::BlobUnknown => "BLOB_UNKNOWN",
            Self::BlobUploadInvalid | Self::RangeInvalid => "BLOB_UPLOAD_INVALID",
            Self::BlobUploadUnknown => "BLOB_UPLOAD_UNKNOWN",
            Self::DigestInvalid => "DIGEST_INVALID",
            Self::ManifestBlobUnknown => "MANIFEST_BLOB_UNKNOWN",
            Self::ManifestInvalid | Self::ManifestTooLarge => "MANIFEST_INVALID",
            Self::ManifestUnknown => "MANIFEST_UNKNOWN",
            Self::NameInvalid => "NAME_INVALID",
            Self::NameUnknown => "NAME_UNKNOWN",
            Self::SizeInvalid => "SIZE_INVALID",
            Self::Unauthorized => "UNAUTHORIZED",
            Self::Denied => "DENIED",
            Self::Unsupported => "UNSUPPORTED",
            Self::TooManyRequests => "TOOMANYREQUESTS",
            Self::Internal => "INTERNAL",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::BlobUnknown
            | Self::BlobUploadUnknown
            | Self::ManifestBlobUnknown
            | Self::ManifestUnknown
            | Self::NameUnknown => StatusCode::NOT_FOUND,
            Self::BlobUploadInvalid
            | Self::DigestInvalid
            | Self::ManifestInvalid
            | Self::NameInvalid
            | Self::SizeInvalid => StatusCode::BAD_REQUEST,
            Self::RangeInvalid => StatusCode::RANGE_NOT_SATISFIABLE,
            Self::ManifestTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Denied => StatusCode::FORBIDDEN,
            Self::Unsupported => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// Why a request is not answered as it was meant.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) code: Code,
    message: String,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Refusal {
    #[expect(clippy::needless_pass_by_value, reason = "a sentence is made where it is said")]
    pub(crate) fn new(code: Code, message: impl ToString) -> Self {
        Self { code, message: message.to_string(), headers: Vec::new() }
    }

    /// A fault of Landfall's own.
    pub(crate) fn broken(error: impl std::fmt::Display) -> Self {
        Self::new(Code::Internal, format!("the registry failed inside: {error}"))
    }

    /// The same, with a header. One that cannot be written is left out.
    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.extend(HeaderValue::try_from(value).map(|value| (HeaderName::from_static(name), value)));
        self
    }

    pub(crate) fn into_response(self) -> Response {
        let body = json!({"errors": [{"code": self.code.name(), "message": self.message, "detail": null}]});
        let mut response = (self.code.status(), Json(body)).into_response();
        response.headers_mut().extend(self.headers);
        response
    }
}

impl From<ImageError> for Refusal {
    fn from(error: ImageError) -> Self {
        if error.is_full() {
            // Clients repeat what failed with 500 for minutes and do not say why; this they tell at once.
            return Self::new(Code::Denied, format!("{NO_ROOM}: {error}"));
        }
        let code = match &error {
            ImageError::BlobUnknown(_) => Code::BlobUnknown,
            ImageError::ManifestUnknown(..) => Code::ManifestUnknown,
            ImageError::NameUnknown(_) => Code::NameUnknown,
            ImageError::Mismatch { .. } => Code::DigestInvalid,
            ImageError::TooLarge => Code::SizeInvalid,
            ImageError::ManifestTooLarge => Code::ManifestTooLarge,
            ImageError::Manifest(_) => Code::ManifestInvalid,
            ImageError::Dangling(_) => Code::ManifestBlobUnknown,
            ImageError::TooManyTags => Code::Denied,
            ImageError::Damaged(_) | ImageError::Chunk(_) | ImageError::Io { .. } => Code::Internal,
        };
        Self::new(code, error)
    }
}
