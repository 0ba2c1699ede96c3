export interface Config {
  auth?: {
    providers?: {
      /** The demo's sign-in: for development, and no authentication. */
      demo?: {
        /**
         * Who can be signed in as.
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
