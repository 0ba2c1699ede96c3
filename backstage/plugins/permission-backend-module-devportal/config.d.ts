export interface Config {
  permission?: {
    devportal?: {
      /** What members of groups may do with the portal; all that they are in counts. */
      roles?: Array<{
        /** The group: its name in the namespace `default`, or its ref. */
        group: string;
        /** Names of the portal's permissions; `*`: all of them. */
        permissions: string[];
      }>;
    };
  };
}
