export interface Config {
  devportal?: {
    /** How products come into the catalog. */
    catalog?: {
      /**
       * The user of the cluster as whom the catalog reads products; `backstage:catalog` where
       * this is absent. What it may not list is not in the catalog.
       */
      user?: string;
    };
  };
}
