//! What is read, and what is told without it, as lists and keys come in one order or another.

use std::convert::Infallible;

use axum::body::Body;
use axum::http::{Request, Response};
use devportal_api::name::annotation;
use devportal_core::change::Source;
use devportal_mirror::secret::copied_from;
use devportal_mirror::{FIELD_MANAGER, ValueFacts};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::client::Body as Sent;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::*;

const CREATED: &str = "2026-01-01T00:00:00Z";

/// A namespace whose Secrets are followed, and the API server of the test.
struct Room {
    lens: Lens,
    names: Names,
    wanted: UnboundedSender<Shared>,
    told: Sender<Told<Named>>,
    news: Receiver<Change>,
    server: Arc<Mutex<Server>>,
}

#[derive(Default)]
struct Server {
    secrets: HashMap<String, Value>,
    /// With which it answers each GET, if it is not well.
    refuses: Option<u16>,
    /// Whether it answers no GET at all.
    hangs: bool,
    /// What was read, by name.
    reads: Vec<String>,
}

impl Server {
    fn answer(&mut self, path: &str) -> (u16, Value) {
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        self.reads.push(name.clone());
        let failure = |code: u16, details: Value| {
            let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure",
                "code": code, "reason": "", "message": "no", "details": details});
            (code, status)
        };
        match (self.refuses, self.secrets.get(&name)) {
            (Some(code), _) => failure(code, json!({})),
            (None, Some(secret)) => (200, secret.clone()),
            (None, None) => failure(404, json!({"name": name})),
        }
    }
}

impl Room {
    fn new() -> Self {
        let server = Arc::new(Mutex::new(Server::default()));
        let asked = Arc::clone(&server);
        let service = tower::service_fn(move |request: Request<Sent>| {
            let mut server = asked.lock().unwrap();
            let (code, answer) = server.answer(request.uri().path());
            let hangs = server.hangs;
            let response = Response::builder().status(code);
            let response = response.body(Body::from(answer.to_string())).unwrap();
            async move {
                if hangs {
                    std::future::pending::<()>().await;
                }
                Ok::<_, Infallible>(response)
            }
        });
        let lens = Lens::new([7; 32]);
        let names = Names::default();
        let (wanted, asked) = unbounded_channel();
        let (told, hears) = channel(BACKLOG);
        let (tell, news) = channel(BACKLOG);
        let follow = Follow {
            namespace: Shared::of("ns"),
            client: Client::new(service, "default"),
            lens: lens.clone(),
            news: tell,
            names: Arc::clone(&names),
            versions: HashMap::new(),
            others: Some(HashMap::new()),
        };
        tokio::spawn(follow.run(asked, hears));
        Self {
            lens,
            names,
            wanted,
            told,
            news,
            server,
        }
    }

    /// There is a Secret, of this version and value.
    fn put(&self, name: &str, version: u64, value: &str) -> Secret {
        let object = json!({"apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": name, "namespace": "ns", "uid": format!("uid of {name}"),
                "resourceVersion": version.to_string()},
            "data": {"api_key": k8s_openapi::ByteString(value.into())}});
        let mut server = self.server.lock().unwrap();
        server.secrets.insert(name.to_owned(), object.clone());
        serde_json::from_value(object).unwrap()
    }

    /// What a credential tells that was made of it.
    fn copied(&self, source: &Secret) -> Option<Copied> {
        let noted = copied_from(&self.lens.facts(source));
        let credential = json!({"metadata": {"name": "c", "creationTimestamp": CREATED,
                "annotations": {annotation::COPIED_FROM: noted},
                "managedFields": [{"manager": FIELD_MANAGER, "time": CREATED}]},
            "data": source.data});
        let credential: Secret = serde_json::from_value(credential).unwrap();
        let copied = Copied::by(&self.lens.facts(&credential));
        assert!(copied.is_some());
        copied
    }

    fn want(&self, name: &str, copied: Option<Copied>) {
        let wanted = Wanted {
            copied,
            ..Wanted::default()
        };
        self.names.lock().unwrap().insert(Shared::of(name), wanted);
        self.wanted.send(Shared::of(name)).unwrap();
    }

    fn answered(&self, name: &str, version: u64) {
        let mut names = self.names.lock().unwrap();
        names.get_mut(name).unwrap().answered(Version(version));
    }

    fn forget(&self, name: &str) {
        self.names.lock().unwrap().remove(name);
    }

    async fn list_begins(&self) {
        let scope = Scope::Namespace("ns".into());
        self.told.send(Told::ListBegins(scope)).await.unwrap();
    }

    async fn shows(&self, secret: &Secret) {
        let name = secret.metadata.name.as_deref().unwrap();
        let facts = SecretFacts::of_metadata(&secret.metadata);
        let told = Told::Is(SecretId::new("ns", name), facts);
        self.told.send(told).await.unwrap();
    }

    async fn list_ends(&self, version: u64) {
        let scope = Scope::Namespace("ns".into());
        let told = Told::ListEnds(scope, Version(version));
        self.told.send(told).await.unwrap();
    }

    async fn is_refused_the_list(&self) {
        self.list_begins().await;
        let scope = Scope::Namespace("ns".into());
        let lost = Told::Lost(scope, Trouble::Forbidden, Timestamp::now());
        self.told.send(lost).await.unwrap();
    }

    /// What is told next: the value's fingerprint, if there is a value.
    async fn hears(&mut self, name: &str) -> Source {
        let change = timeout(Duration::from_mins(1), self.news.recv()).await;
        let Some(Change::Source(id, source)) = change.expect("something is told") else {
            panic!("something else is told");
        };
        assert_eq!(id, SecretId::new("ns", name));
        source
    }

    async fn hears_refusal(&mut self, name: &str) {
        let source = self.hears(name).await;
        assert!(matches!(source, Source::Forbidden), "{source:?}");
    }

    async fn hears_value(&mut self, name: &str, value: &str) {
        let source = self.hears(name).await;
        let Source::Is(facts) = source else {
            panic!("{name} is not there: {source:?}");
        };
        let is_it = matches!(facts.value, ValueFacts::Value { fingerprint, .. }
            if fingerprint == self.lens.fingerprint(value.as_bytes()));
        assert!(is_it, "another value: {facts:?}");
    }

    /// Once nothing is under way any more.
    async fn is_quiet(&mut self) {
        let change = timeout(Duration::from_millis(100), self.news.recv()).await;
        assert!(change.is_err(), "{change:?}");
    }

    fn reads(&self) -> Vec<String> {
        self.server.lock().unwrap().reads.clone()
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_as_it_was_copied_is_told_and_not_read() {
    let mut room = Room::new();
    let secret = room.put("mine", 5, "the value");
    room.want("mine", room.copied(&secret));
    room.list_begins().await;
    room.shows(&secret).await;
    room.list_ends(9).await;
    room.hears_value("mine", "the value").await;
    room.is_quiet().await;
    assert_eq!(room.reads(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn what_was_written_since_it_was_copied_is_read() {
    let mut room = Room::new();
    let copied = room.copied(&room.put("mine", 5, "the value"));
    let secret = room.put("mine", 6, "another value");
    room.want("mine", copied);
    room.list_begins().await;
    room.shows(&secret).await;
    room.list_ends(9).await;
    room.hears_value("mine", "another value").await;
    room.is_quiet().await;
    assert_eq!(room.reads(), ["mine"]);
}

#[tokio::test(start_paused = true)]
async fn what_was_listed_before_a_key_wanted_it_is_not_read() {
    let mut room = Room::new();
    let secret = room.put("mine", 5, "the value");
    room.list_begins().await;
    room.shows(&secret).await;
    room.list_ends(9).await;
    room.is_quiet().await;
    room.want("mine", room.copied(&secret));
    room.hears_value("mine", "the value").await;
    assert_eq!(room.reads(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn what_only_a_list_that_broke_off_showed_is_not_believed() {
    let mut room = Room::new();
    let secret = room.put("mine", 5, "the value");
    let copied = room.copied(&secret);
    room.list_begins().await;
    room.shows(&secret).await;
    room.server.lock().unwrap().secrets.clear();
    room.list_begins().await;
    room.list_ends(9).await;
    room.is_quiet().await;
    room.want("mine", copied);
    let source = room.hears("mine").await;
    assert!(matches!(source, Source::Gone(_)), "{source:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_wanted_again_while_it_is_listed_is_told_again() {
    let mut room = Room::new();
    let secret = room.put("mine", 5, "the value");
    let copied = room.copied(&secret);
    room.want("mine", copied.clone());
    room.list_begins().await;
    room.shows(&secret).await;
    room.hears_value("mine", "the value").await;
    room.forget("mine");
    room.want("mine", copied);
    room.is_quiet().await;
    room.list_ends(9).await;
    room.hears_value("mine", "the value").await;
}

/// It had been told to be gone after it was made, and was made again.
#[tokio::test(start_paused = true)]
async fn what_is_not_there_is_not_read_again_for_a_list_that_does_not_show_it() {
    let mut room = Room::new();
    room.want("mine", None);
    assert!(matches!(room.hears("mine").await, Source::Gone(_)));
    room.list_begins().await;
    room.list_ends(9).await;
    room.is_quiet().await;
    assert_eq!(room.reads(), ["mine"]);
    // But once it was made.
    room.answered("mine", 12);
    room.list_begins().await;
    room.list_ends(15).await;
    assert!(matches!(room.hears("mine").await, Source::Gone(_)));
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_read_is_not_absent_and_is_read_again() {
    let mut room = Room::new();
    room.put("mine", 5, "the value");
    room.server.lock().unwrap().refuses = Some(500);
    room.want("mine", None);
    room.is_quiet().await;
    room.server.lock().unwrap().refuses = Some(403);
    room.hears_refusal("mine").await;
    room.server.lock().unwrap().refuses = None;
    room.hears_value("mine", "the value").await;
}

#[tokio::test(start_paused = true)]
async fn where_nothing_may_be_listed_or_read_the_list_alone_is_waited_for() {
    let mut room = Room::new();
    let secret = room.put("mine", 5, "the value");
    room.server.lock().unwrap().refuses = Some(403);
    room.is_refused_the_list().await;
    room.is_quiet().await;
    room.want("mine", None);
    for _ in 0..20 {
        room.is_refused_the_list().await;
        tokio::time::sleep(2 * LONGEST_RETRY).await;
    }
    while let Ok(Some(change)) = timeout(RETRY, room.news.recv()).await {
        assert!(matches!(change, Change::Source(_, Source::Forbidden)));
    }
    assert_eq!(room.reads(), ["mine"]);
    room.server.lock().unwrap().refuses = None;
    room.list_begins().await;
    room.shows(&secret).await;
    room.list_ends(9).await;
    room.hears_value("mine", "the value").await;
    room.is_quiet().await;
    assert_eq!(room.reads(), ["mine"; 2]);
}

#[tokio::test(start_paused = true)]
async fn what_may_be_read_again_is_told_also_where_it_is_as_we_wrote_it() {
    let mut room = Room::new();
    room.want("mine", None);
    assert!(matches!(room.hears("mine").await, Source::Gone(_)));
    let made = room.put("mine", 5, "the value");
    room.answered("mine", 5);
    room.server.lock().unwrap().refuses = Some(403);
    room.is_refused_the_list().await;
    room.hears_refusal("mine").await;
    room.server.lock().unwrap().refuses = None;
    room.list_begins().await;
    room.shows(&made).await;
    room.list_ends(9).await;
    room.hears_value("mine", "the value").await;
}

#[tokio::test(start_paused = true)]
async fn the_right_to_read_alone_is_found_when_it_is_given_later() {
    let mut room = Room::new();
    room.put("mine", 5, "the value");
    room.server.lock().unwrap().refuses = Some(403);
    room.is_refused_the_list().await;
    room.want("mine", None);
    room.hears_refusal("mine").await;
    room.server.lock().unwrap().refuses = None;
    tokio::time::sleep(2 * BAR).await;
    room.is_refused_the_list().await;
    room.hears_value("mine", "the value").await;
}

#[tokio::test(start_paused = true)]
async fn what_may_be_read_but_not_listed_is_read_each_time_the_list_is_refused() {
    let mut room = Room::new();
    room.put("mine", 5, "the value");
    room.want("mine", None);
    room.hears_value("mine", "the value").await;
    room.is_refused_the_list().await;
    room.hears_value("mine", "the value").await;
    room.put("mine", 6, "another value");
    room.is_refused_the_list().await;
    room.hears_value("mine", "another value").await;
}

#[tokio::test(start_paused = true)]
async fn a_read_that_is_never_answered_is_made_again() {
    let mut room = Room::new();
    room.put("mine", 5, "the value");
    room.server.lock().unwrap().hangs = true;
    room.want("mine", None);
    room.is_quiet().await;
    room.server.lock().unwrap().hangs = false;
    tokio::time::sleep(PATIENCE).await;
    room.hears_value("mine", "the value").await;
}

#[tokio::test(start_paused = true)]
async fn what_a_write_of_our_own_answered_is_not_read_again_and_what_came_after_it_is() {
    let mut room = Room::new();
    room.want("mine", None);
    assert!(matches!(room.hears("mine").await, Source::Gone(_)));
    room.list_begins().await;
    room.list_ends(4).await;
    room.is_quiet().await;
    let made = room.put("mine", 5, "the value");
    let reads = room.reads().len();
    room.answered("mine", 5);
    room.shows(&made).await;
    room.is_quiet().await;
    assert_eq!(room.reads().len(), reads);
    let changed = room.put("mine", 6, "another value");
    room.shows(&changed).await;
    room.hears_value("mine", "another value").await;
}
