export interface Config {
  devportal?: {
    /** Where the portal's server is, and how Backstage says who it is itself. */
    server: {
      /**
       * The address of the portal's server, such as `http://devportal-server.kuadrant-system.svc:8080`.
       */
      baseUrl: string;
      /**
       * A file with the token of Backstage's ServiceAccount. It is read again whenever it has
       * changed, because Kubernetes rotates such tokens. Give this or `token`.
       */
      tokenFile?: string;
      /**
       * The token itself, where there is no file.
       * @visibility secret
       */
      token?: string;
    };
    /** How people and groups of Backstage are called in the cluster. */
    identity?: {
      /**
       * `ref`, the default: `backstage:user:default/alice`, which is nobody else's name.
       * `name`: `alice`, where Backstage and the cluster name people alike; only for users in
       * the namespace `default`. `annotation`: what the user's entity in the catalog is
       * annotated with.
       */
      user?:
        | 'ref'
        | 'name'
        | {
            /** The annotation's name. Nobody but the cluster's administrators may write it. */
            annotation: string;
          };
      /**
       * `ref`, the default: `backstage:group:default/consumers`. `name`: `consumers`; groups
       * outside the namespace `default` are left out.
       */
      groups?: 'ref' | 'name';
    };
  };
}
