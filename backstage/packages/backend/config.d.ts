export interface Config {
  auth?: {
    providers?: {
      /** Sign-in for demos and tests, without a password; only on the developer's own machine. */
      demo?: {
        /**
         * Who may be signed in as.
         * @deepVisibility frontend
         */
        users: Array<{
          /** The user's entity in the catalog, such as `user:default/alice`. */
          ref: string;
          /** The name on the sign-in page. */
          title: string;
          /** What this person does, in a sentence. */
          description?: string;
          /** What they are to the portal, in a word or two. */
          role?: string;
        }>;
      };
    };
  };
}
