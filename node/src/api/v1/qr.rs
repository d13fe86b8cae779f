//! QR codes as drawings, for programs that cannot draw them.

use axum::Router;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use qrcode::render::svg;
use qrcode::{EcLevel, QrCode};

use super::dto;
use crate::api::error::ApiError;
use crate::api::extract::Body;
use crate::api::state::ApiState;

/// Bytes of a text that is drawn: what cameras still read from a screen.
const MAX_TEXT: usize = 1_500;

pub(crate) fn router() -> Router<ApiState> {
    Router::new().route("/qr", post(draw))
}

/// Links are long, and screens are clean: the least redundancy keeps the squares large.
async fn draw(Body(wish): Body<dto::DrawQr>) -> Result<Response, ApiError> {
    if !(1..=MAX_TEXT).contains(&wish.text.len()) {
        let detail = format!("a QR code takes a text of 1 to {MAX_TEXT} bytes");
        return Err(ApiError::bad_field("text", detail));
    }
    drawing(&wish.text, EcLevel::L)
}

/// An SVG image.
pub(super) fn drawing(text: &str, level: EcLevel) -> Result<Response, ApiError> {
    let code = QrCode::with_error_correction_level(text, level).map_err(|error| {
        tracing::error!(%error, "a QR code could not be drawn");
        ApiError::internal()
    })?;
    let image = code.render::<svg::Color<'_>>().min_dimensions(240, 240).build();
    Ok(([(header::CONTENT_TYPE, "image/svg+xml")], image).into_response())
}
