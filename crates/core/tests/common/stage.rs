//! What a test says to the simulation, and what it asks.

use devportal_api::id::KeyId;
use devportal_api::name::annotation;
use devportal_api::{APIKey, APIKeyRequest, APIProduct};
use devportal_core::Write;

use super::cluster::{Kind, Name, Secret};
use super::fixture::{CONSUMER, auth, kuadrant, plans, request_id, route};
use super::hands::pair;
use super::simulation::Simulation;

impl Simulation {
    /// A cluster with all that a product needs, and the product `games`.
    pub fn ready(product: APIProduct) -> Self {
        let mut simulation = Self::default()
            .with(kuadrant())
            .with(route("games"))
            .with(auth("games"))
            .with(plans("games"))
            .with(product);
        simulation.settle();
        simulation.writes.clear();
        simulation
    }

    pub fn with<K: Kind>(mut self, object: K) -> Self {
        self.create(object);
        self
    }

    pub fn create<K: Kind>(&mut self, object: K) {
        self.cluster.create(object).expect("the name is free");
    }

    pub fn edit<K: Kind>(&mut self, namespace: &str, name: &str, change: impl FnOnce(&mut K)) {
        self.cluster
            .edit(&pair(namespace, name), change)
            .expect("it exists");
    }

    pub fn delete<K: Kind>(&mut self, namespace: &str, name: &str) {
        self.cluster
            .delete::<K>(&pair(namespace, name))
            .expect("it exists");
    }

    /// A consumer's Secret, with or without a value.
    pub fn bring(&mut self, name: &str, value: Option<&str>) {
        let name = pair(CONSUMER, name);
        self.cluster
            .put_secret(&name, |it| it.value = value.map(str::to_owned));
    }

    pub fn key(&self, name: &str) -> &APIKey {
        &self.cluster.keys[&pair(CONSUMER, name)]
    }

    pub fn request(&self, key: &str) -> Option<&APIKeyRequest> {
        let id = request_id(key);
        self.cluster.requests.get(&pair(&id.namespace, &id.name))
    }

    /// The key's conditions as `Type/Reason` or `!Type/Reason`.
    pub fn says(&self, key: &str) -> Vec<String> {
        let status = self.key(key).status.as_ref();
        let conditions = status.iter().flat_map(|it| &it.conditions);
        conditions
            .map(|it| {
                let mark = if it.status == "True" { "" } else { "!" };
                format!("{mark}{}/{}", it.type_, it.reason)
            })
            .collect()
    }

    /// The message of the first condition.
    pub fn message(&self, key: &str) -> String {
        self.key(key).status.as_ref().unwrap().conditions[0]
            .message
            .clone()
    }

    /// The enforcement Secrets of a key, by name.
    pub fn enforced(&self, key: &str) -> Vec<(&Name, &Secret)> {
        let id = KeyId::new(CONSUMER, key).to_string();
        let secrets = self.cluster.secrets.iter();
        secrets
            .filter(|(_, it)| {
                it.is_enforcement() && it.annotations.get(annotation::KEY) == Some(&id)
            })
            .collect()
    }

    /// The values the gateway accepts for a key.
    pub fn accepted(&self, key: &str) -> Vec<&str> {
        self.enforced(key)
            .iter()
            .filter_map(|(_, it)| it.value.as_deref())
            .collect()
    }

    /// Deletes a key, and collects all of it.
    pub fn unmake(&mut self, id: &KeyId) {
        self.delete::<APIKey>(&id.namespace, &id.name);
        self.settle();
        self.cluster.collect();
        self.settle();
    }

    /// Deletes a key, and makes one of its name once all of it is collected.
    pub fn make_anew(&mut self, key: APIKey) {
        self.unmake(&KeyId::of(&key));
        self.create(key);
        self.settle();
        self.cluster.collect();
        self.settle();
        super::oracle::check(self);
    }

    /// The writes since the last call, in short.
    pub fn wrote(&mut self) -> Vec<&'static str> {
        std::mem::take(&mut self.writes).iter().map(short).collect()
    }
}

fn short(write: &Write) -> &'static str {
    match write {
        Write::CreateSecret(_) => "create Secret",
        Write::DeleteCredential { .. } => "delete credential",
        Write::DeleteSource { .. } => "delete source",
        Write::ApplyRequest { .. } => "apply request",
        Write::DeleteRequest { .. } => "delete request",
        Write::ApplyApproval { .. } => "apply approval",
        Write::AdoptApproval { .. } => "adopt approval",
        Write::ReleaseApproval(_) => "release approval",
        Write::DeleteApproval { .. } => "delete approval",
        Write::ReleaseKey(_) => "release key",
        Write::ProductStatus(..) => "product status",
        Write::KeyStatus(..) => "key status",
        Write::RequestStatus(..) => "request status",
        Write::ApprovalStatus(..) => "approval status",
    }
}
