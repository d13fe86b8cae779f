//! The API of a node that has no account yet: it takes one account, and tells whoever asks for anything else what to do.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::{FromRef, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use parlour_store::DataLock;
use serde_json::json;
use tokio::sync::{Mutex, mpsc, oneshot, watch};
use zeroize::Zeroizing;

use super::auth::{Keeper, prepare_login};
use super::door::Door;
use super::error::ApiError;
use super::extract::Body;
use super::newcomers::{Newcomer, RegisterError, Welcome};
use super::server::Rooms;
use super::v1::{dto, newcomers, session};
use super::{health, web};
use crate::account::{CreateError, Created, NewAccount, create_account_in};
use crate::data::DataDir;
use crate::runner::now_ms;

/// What the node needs to go on with a new account.
pub(crate) struct Made {
    /// Name of its folder.
    pub(crate) account: String,
    /// Unlocks it, if it was given one.
    pub(crate) password: Option<Zeroizing<String>>,
}

impl std::fmt::Debug for Made {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Made")
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}

/// A data directory that waits for an account. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Setup(Arc<Inner>);

struct Inner {
    door: Door,
    data: DataDir,
    lock: Arc<DataLock>,
    /// Taken by whoever makes the account; one at a time tries.
    place: Mutex<Option<oneshot::Sender<Made>>>,
    made: AtomicBool,
}

impl Setup {
    /// Waits for an account, to be told of on the receiver.
    pub(crate) fn new(door: Door, data: DataDir, lock: Arc<DataLock>) -> (Self, oneshot::Receiver<Made>) {
        let (sender, receiver) = oneshot::channel();
        let inner = Inner {
            door,
            data,
            lock,
            place: Mutex::new(Some(sender)),
            made: AtomicBool::new(false),
        };
        (Self(Arc::new(inner)), receiver)
    }

    /// Makes the account, if nobody has, and has something done with it before it is started.
    async fn make(
        self,
        new: NewAccount,
        prepare: impl FnOnce(&DataDir, &Created) -> Result<(), ApiError> + Send + 'static,
    ) -> Result<Created, ApiError> {
        let mut place = self.0.place.lock().await;
        if place.is_none() {
            return Err(already_made());
        }
        let (data, lock, password) = (self.0.data.clone(), self.0.lock.clone(), new.password.clone());
        // Deriving a key from the password takes about a second of computing.
        let making = tokio::task::spawn_blocking(move || {
            let created = create_account_in(&data, &lock, &new, now_ms())?;
            prepare(&data, &created)?;
            Ok::<_, ApiError>(created)
        });
        let created = making.await.map_err(|error| {
            tracing::error!(%error, "making the account failed");
            ApiError::internal()
        })??;
        let account = created.account.clone();
        self.tell(&mut place, Made { account, password });
        Ok(created)
    }

    /// There is an account already.
    pub(crate) async fn found(&self, account: String, password: Option<Zeroizing<String>>) {
        self.tell(&mut *self.0.place.lock().await, Made { account, password });
    }

    fn tell(&self, place: &mut Option<oneshot::Sender<Made>>, made: Made) {
        self.0.made.store(true, Ordering::Release);
        if let Some(waiting) = place.take() {
            // Nobody listens any more only if the node is stopping; the account is there at its next start.
            let _ = waiting.send(made);
        }
    }

    fn is_made(&self) -> bool {
        self.0.made.load(Ordering::Acquire)
    }
}

/// Makes the first account for whoever comes, and serves no second one: the node does that.
pub(crate) async fn serve_first(setup: Setup, mut queue: mpsc::Receiver<Newcomer>, mut rooms: watch::Receiver<Rooms>) {
    let stop = setup.0.door.stop.clone();
    while let Some(Some(newcomer)) = stop.run_until_cancelled(queue.recv()).await {
        rooms.mark_unchanged();
        let Newcomer {
            new,
            email,
            password,
            reply,
        } = newcomer;
        let outcome = setup.clone().welcome(new, email, password).await;
        if outcome.is_ok() {
            // The account runs as soon as it is behind the door. The node is stopping if it never is.
            let _ = stop.run_until_cancelled(rooms.changed()).await;
        }
        // Whoever went away can log in.
        let _ = reply.send(outcome);
    }
}

impl Setup {
    async fn welcome(
        self,
        new: NewAccount,
        email: Option<String>,
        password: Zeroizing<String>,
    ) -> Result<Welcome, RegisterError> {
        if self.is_made() || !self.0.door.newcomers.may_serve(0) {
            return Err(RegisterError::Closed);
        }
        let email = self
            .0
            .door
            .guard
            .auth()
            .check_login(None, email.as_deref(), &password)?;
        let prepare = move |data: &DataDir, created: &Created| {
            let keeper = Keeper::open(&created.account, data.access(&created.account));
            Ok(prepare_login(&keeper, email, &password, now_ms())?)
        };
        let created = self.make(new, prepare).await.map_err(RegisterError::Refused)?;
        Ok(Welcome { created })
    }
}

impl FromRef<Setup> for Door {
    fn from_ref(setup: &Setup) -> Self {
        setup.0.door.clone()
    }
}

/// Everything such a node answers.
pub(crate) fn router() -> Router<Setup> {
    let api = Router::new()
        .route("/accounts", get(list).post(create))
        .merge(session::router())
        .merge(newcomers::router())
        .fallback(not_yet);
    Router::new()
        .merge(web::setup())
        .route("/health/live", get(health::live))
        .route("/health/ready", get(ready))
        .nest("/api/v1", api)
}

async fn list(State(setup): State<Setup>) -> Result<Json<dto::List<dto::Account>>, ApiError> {
    if setup.is_made() {
        return Err(starting());
    }
    Ok(Json(dto::List { items: Vec::new() }))
}

async fn create(
    State(setup): State<Setup>,
    Body(wish): Body<dto::MakeAccount>,
) -> Result<(StatusCode, Json<dto::MadeAccount>), ApiError> {
    let tasks = setup.0.door.tasks.clone();
    // On its own: what was begun is brought to its end even if the client goes away.
    let made = tasks
        .spawn(setup.make(wish.into(), |_, _| Ok(())))
        .await
        .map_err(|error| {
            tracing::error!(%error, "making the account failed");
            ApiError::internal()
        })?;
    Ok((StatusCode::CREATED, Json(made?.into())))
}

async fn ready(State(setup): State<Setup>) -> Response {
    let (status, detail) = if setup.is_made() {
        ("starting", STARTING)
    } else {
        ("no_account", NO_ACCOUNT)
    };
    let body = json!({ "status": status, "detail": detail });
    (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response()
}

async fn not_yet(State(setup): State<Setup>) -> ApiError {
    if setup.is_made() {
        starting()
    } else {
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "no_account", NO_ACCOUNT)
    }
}

const NO_ACCOUNT: &str = "no account yet: make one with the link that `parlour open` prints, or with \
                          `parlour init --name NAME`";
const STARTING: &str = "the account is made, and the node is starting with it";

fn starting() -> ApiError {
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "starting", STARTING)
}

fn already_made() -> ApiError {
    ApiError::new(
        StatusCode::CONFLICT,
        "account_exists",
        "this node has an account already",
    )
}

impl From<dto::MakeAccount> for NewAccount {
    fn from(wish: dto::MakeAccount) -> Self {
        Self {
            name: wish.name,
            account: None,
            password: wish.password.map(Zeroizing::new),
            require_password: wish.require_password,
            words: wish.words.map(Zeroizing::new),
        }
    }
}

impl From<Created> for dto::MadeAccount {
    fn from(created: Created) -> Self {
        Self {
            account: created.account,
            user_id: created.user,
            name: created.name,
            words: created.phrase.map(|phrase| phrase.as_str().to_owned()),
        }
    }
}

impl From<CreateError> for ApiError {
    fn from(error: CreateError) -> Self {
        let detail = error.to_string();
        match error {
            CreateError::BadName => Self::bad_request("bad_name", detail).at("name"),
            CreateError::Exists(_) => Self::new(StatusCode::CONFLICT, "account_exists", detail).at("name"),
            CreateError::BadPassword | CreateError::NoPassword => {
                Self::bad_request("bad_password", detail).at("password")
            }
            CreateError::Words(_) => Self::bad_request("bad_words", detail).at("words"),
            CreateError::Io(cause) => {
                tracing::error!(error = %cause, "an account could not be written");
                Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "storage_failed",
                    "the account's files could not be written; the node's log says why",
                )
            }
            CreateError::Lock(_) => Self::new(StatusCode::CONFLICT, "in_use", detail),
        }
    }
}
